import * as client from 'openid-client'
import { authorize, check, fails, issuer, key, post, redirectURI, run, secret } from './browser.mjs'

const configure = (id, metadata) =>
  client.discovery(new URL(issuer), id, metadata, client.ClientSecretBasic(secret), {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  })

async function wish(params) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
  return {
    checks,
    params: {
      redirect_uri: redirectURI,
      scope: 'openid email',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      ...params,
    },
  }
}

async function signIn(config, url, checks) {
  const mode = url.searchParams.get('response_mode') ?? ''
  const back = mode.startsWith('form_post') ? await post(url) : await authorize(url)
  const claims = (await client.authorizationCodeGrant(config, back, checks)).claims()
  check(claims.sub === 'ana', JSON.stringify(claims))
  return claims
}

await run({
  async request_object() {
    const config = await configure('signer')
    for (const alg of ['ES256', 'PS256', 'RS256']) {
      const { params, checks } = await wish({ claims: JSON.stringify({ id_token: { email: { essential: true } } }) })
      const url = await client.buildAuthorizationUrlWithJAR(config, params, await key(alg))
      check([...url.searchParams.keys()].sort().join() === 'client_id,request', `${url}`)
      const claims = await signIn(config, url, checks)
      check(claims.email === 'ana@example.com', JSON.stringify(claims))
    }
  },
  async request_object_pushed() {
    const config = await configure('signer')
    const { params, checks } = await wish()
    const signed = await client.buildAuthorizationUrlWithJAR(config, params, await key('ES256'))
    const url = await client.buildAuthorizationUrlWithPAR(config, signed.searchParams)
    check([...url.searchParams.keys()].sort().join() === 'client_id,request_uri', `${url}`)
    await signIn(config, url, checks)
  },
  async request_object_refused() {
    const config = await configure('signer')
    const { params } = await wish()
    await fails(client.buildAuthorizationUrlWithPAR(config, params), 'invalid_request') // it has to sign
    const stranger = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
    const forged = await client.buildAuthorizationUrlWithJAR(config, params, stranger.privateKey)
    await fails(client.buildAuthorizationUrlWithPAR(config, forged.searchParams), 'invalid_request_object')
  },
  async jarm() {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const config = await configure(`site-${alg.toLowerCase()}`, { authorization_signed_response_alg: alg, id_token_signed_response_alg: alg })
      client.useJwtResponseMode(config)
      for (const mode of ['jwt', 'query.jwt', 'form_post.jwt']) { // it does not read the fragment
        const { params, checks } = await wish()
        const url = client.buildAuthorizationUrl(config, params)
        url.searchParams.set('response_mode', mode)
        await signIn(config, url, checks)
      }
    }
  },
  async jarm_errors() {
    const config = await configure('site')
    client.useJwtResponseMode(config)
    const { params, checks } = await wish({ prompt: 'none', claims: JSON.stringify({ id_token: { sub: { value: 'eva' } } }) })
    await fails(signIn(config, client.buildAuthorizationUrl(config, params), checks), 'login_required')
    const plain = await configure('site')
    const other = await wish()
    await fails(signIn(config, client.buildAuthorizationUrl(plain, other.params), other.checks), 'OAUTH_INVALID_RESPONSE')
  },
  async jar_and_jarm() { // FAPI 2.0 Message Signing §5.3, §5.4
    const config = await configure('signer')
    client.useJwtResponseMode(config)
    const { params, checks } = await wish()
    const signed = await client.buildAuthorizationUrlWithJAR(config, params, await key('PS256'))
    await signIn(config, await client.buildAuthorizationUrlWithPAR(config, signed.searchParams), checks)
  },
  async form_post() {
    const config = await configure('site')
    const { params, checks } = await wish({ response_mode: 'form_post' })
    await signIn(config, client.buildAuthorizationUrl(config, params), checks)
  },
  async hybrid() { // OpenID Connect Core §3.3
    const config = await configure('hybrid')
    client.useCodeIdTokenResponseType(config)
    for (const mode of [{}, { response_mode: 'form_post' }]) {
      const { params, checks } = await wish(mode)
      await signIn(config, client.buildAuthorizationUrl(config, params), checks)
    }
  },
})
