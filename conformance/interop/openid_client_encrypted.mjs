import * as client from 'openid-client'
import { authorize, check, decryptionKey, encryptions, fails, issuer, redirectURI, run, secret } from './browser.mjs'

async function configure({ id, alg, enc }, keys = [alg]) {
  const config = await client.discovery(new URL(issuer), id, { authorization_signed_response_alg: 'RS256', userinfo_signed_response_alg: 'RS256' },
    client.ClientSecretBasic(secret), { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] })
  const known = await Promise.all(keys.map(async (name) => ({ alg, ...(await decryptionKey(name)) })))
  client.enableDecryptingResponses(config, [enc], ...known)
  return config
}

async function signIn(config, mode) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectURI,
    scope: 'openid email',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...(mode && { response_mode: mode }),
  })
  const back = await authorize(url)
  if (mode) check(back.searchParams.get('response').split('.').length === 5, `${back}`)
  const tokens = await client.authorizationCodeGrant(config, back, checks)
  check(tokens.id_token.split('.').length === 5 && tokens.claims().sub === 'ana', 'the ID token is not encrypted')
  return tokens
}

await run({
  async id_token_and_userinfo() {
    for (const site of encryptions) {
      const config = await configure(site)
      const tokens = await signIn(config)
      const info = await client.fetchUserInfo(config, tokens.access_token, 'ana')
      check(info.email === 'ana@example.com' && info.iss === issuer, JSON.stringify(info))
    }
  },
  async jarm() {
    for (const site of encryptions) {
      const config = await configure(site)
      client.useJwtResponseMode(config)
      await signIn(config, 'jwt')
    }
  },
  async introspection() {
    const config = await configure(encryptions[0])
    const tokens = await signIn(config)
    const said = await client.tokenIntrospection(config, tokens.access_token)
    check(said.active && said.sub === 'ana', JSON.stringify(said))
  },
  async another_key() {
    for (const { id, alg, enc } of encryptions) {
      await fails(signIn(await configure({ id, alg, enc }, [`${alg} of another`])), 'OAUTH_DECRYPTION_FAILED')
    }
  },
})
