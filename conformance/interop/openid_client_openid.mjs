import * as client from 'openid-client'
import { authorize, check, fails, issuer, redirectURI, run, secret } from './browser.mjs'

// configure has the library verify signatures too, as a client must that does not trust TLS
// alone.
const configure = (id, metadata) =>
  client.discovery(new URL(issuer), id, metadata, client.ClientSecretBasic(secret), {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  })

async function signIn(config, params = {}, checks = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectURI,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...params,
  })
  const tokens = await client.authorizationCodeGrant(config, await authorize(url), {
    pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true, ...checks,
  })
  return { tokens, claims: tokens.claims() }
}

await run({
  async code_and_userinfo() {
    const config = await configure('site')
    const { tokens, claims } = await signIn(config)
    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    check(claims.sub === 'ana' && info.email === 'ana@example.com' && info.email_verified === true, JSON.stringify(info))
    await fails(client.fetchUserInfo(config, tokens.access_token, 'eva'), 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
  },
  async algorithms() {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const config = await configure(`site-${alg.toLowerCase()}-signed`, { id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg })
      const { tokens, claims } = await signIn(config)
      const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
      check(info.iss === issuer && info.email === 'ana@example.com', JSON.stringify(info))
    }
  },
  async max_age() {
    const config = await configure('site')
    const { claims } = await signIn(config, { max_age: '60' }, { maxAge: 60 })
    check(claims.auth_time > Date.now() / 1000 - 60, JSON.stringify(claims))
    await fails(signIn(config, {}, { maxAge: 60 }), 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED')
  },
  async claims_parameter() {
    const config = await configure('site')
    const { claims } = await signIn(config, { claims: JSON.stringify({ id_token: { name: { essential: true } } }) })
    check(claims.name === 'Ana Example' && claims.email === undefined, JSON.stringify(claims))
  },
  async prompt_none() {
    const config = await configure('site')
    const { tokens } = await signIn(config)
    const { claims } = await signIn(config, { prompt: 'none', id_token_hint: tokens.id_token })
    check(claims.sub === 'ana', JSON.stringify(claims))
    const eva = JSON.stringify({ id_token: { sub: { value: 'eva' } } })
    await fails(signIn(config, { prompt: 'none', claims: eva }), 'login_required')
  },
  async refresh() {
    const config = await configure('site')
    const { tokens, claims } = await signIn(config)
    const next = (await client.refreshTokenGrant(config, tokens.refresh_token)).claims()
    check(next.sub === claims.sub && next.auth_time === claims.auth_time && next.at_hash !== claims.at_hash, JSON.stringify(next))
  },
})
