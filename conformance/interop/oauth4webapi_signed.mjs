import * as oauth from 'oauth4webapi'
import { authorize, check, fails, issuer, key, post, redirectURI, run, secret } from './browser.mjs'

const http = { [oauth.allowInsecureRequests]: true } // the server listens on loopback
const auth = oauth.ClientSecretBasic(secret)
const server = new URL(issuer)
const as = await oauth.discoveryRequest(server, http).then((answer) => oauth.processDiscoveryResponse(server, answer))

// The parameters of an authorization request, and what the client keeps of it.
async function wish(params) {
  const kept = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() }
  kept.params = new URLSearchParams({
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'openid email',
    code_challenge: await oauth.calculatePKCECodeChallenge(kept.verifier),
    code_challenge_method: 'S256',
    state: kept.state,
    nonce: kept.nonce,
    ...params,
  })
  return kept
}

function address(params) {
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams(params)
  return url
}

// back is what comes back, by the way that the response mode names, and is judged by the library.
async function back(client, url, kept, mode) {
  const jwt = mode.endsWith('jwt')
  let params
  if (mode.startsWith('form_post')) params = new URLSearchParams(await oauth.formPostResponse(await post(url)))
  else {
    const to = await authorize(url)
    const fragment = mode.startsWith('fragment')
    check(fragment === !!to.hash && fragment === !to.search, `${to}`)
    params = fragment ? new URLSearchParams(to.hash.slice(1)) : to.searchParams
  }
  if (!jwt) return oauth.validateAuthResponse(as, client, params, kept.state)
  check([...params.keys()].join() === 'response', `${params}`) // nothing but the JWT
  return oauth.validateJwtAuthResponse(as, client, params, kept.state, http)
}

async function redeem(client, params, kept) {
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, params, redirectURI, kept.verifier, http)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: kept.nonce, requireIdToken: true })
  return oauth.getValidatedIdTokenClaims(tokens)
}

// refused checks that a request gets an error page, and no redirect.
async function refused(url, what) {
  const answer = await fetch(url, { redirect: 'manual' })
  const text = await answer.text()
  check(answer.status === 400 && text.includes(what), `${answer.status}: ${text.slice(0, 800)}`)
}

const signer = { client_id: 'signer' }
const jarm = as.response_modes_supported.filter((mode) => mode.endsWith('jwt'))
check(['jwt', 'query.jwt', 'form_post.jwt'].every((mode) => jarm.includes(mode)), `${jarm}`)

await run({
  async request_object() {
    for (const alg of ['ES256', 'PS256', 'RS256']) {
      const kept = await wish({ max_age: '3600', claims: JSON.stringify({ id_token: { email: null } }) })
      const request = await oauth.issueRequestObject(as, signer, kept.params, await key(alg))
      // What is outside does not count (RFC 9101 §6.3).
      const url = address({ client_id: 'signer', request, state: 'of another', scope: 'nonsense' })
      const claims = await redeem(signer, await back(signer, url, kept, 'query'), kept)
      check(claims.sub === 'ana' && claims.email === 'ana@example.com', JSON.stringify(claims))
    }
  },
  async request_object_pushed() {
    const kept = await wish()
    const request = await oauth.issueRequestObject(as, signer, kept.params, await key('ES256'))
    const answer = await oauth.pushedAuthorizationRequest(as, signer, auth, { request }, http)
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, signer, answer)
    const url = address({ client_id: 'signer', request_uri })
    const claims = await redeem(signer, await back(signer, url, kept, 'query'), kept)
    check(claims.sub === 'ana', JSON.stringify(claims))
  },
  async request_object_refused() {
    const kept = await wish()
    const old = await oauth.issueRequestObject(as, { ...signer, [oauth.clockSkew]: -3600 }, kept.params, await key('ES256'))
    await refused(address({ client_id: 'signer', request: old }), 'has expired')
    const stranger = await oauth.generateKeyPair('ES256')
    const forged = await oauth.issueRequestObject(as, signer, kept.params, stranger.privateKey)
    await refused(address({ client_id: 'signer', request: forged }), 'not signed by a key of the client')
    const unsigned = address({ client_id: 'signer', ...Object.fromEntries(kept.params) })
    await fails(back(signer, unsigned, kept, 'query'), 'invalid_request')
    const pushed = await oauth.pushedAuthorizationRequest(as, signer, auth, { request: forged }, http)
    await fails(oauth.processPushedAuthorizationResponse(as, signer, pushed), 'invalid_request_object')
  },
  async jarm() {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const client = { client_id: `site-${alg.toLowerCase()}`, authorization_signed_response_alg: alg, id_token_signed_response_alg: alg }
      for (const mode of jarm) {
        const kept = await wish({ client_id: client.client_id, response_mode: mode })
        const params = await back(client, address(kept.params), kept, mode)
        const claims = await redeem(client, params, kept)
        check(claims.sub === 'ana' && params.get('iss') === issuer, JSON.stringify(claims))
      }
    }
  },
  async jarm_errors() {
    const client = { client_id: 'site' }
    const eva = JSON.stringify({ id_token: { sub: { value: 'eva' } } })
    for (const mode of jarm) {
      const kept = await wish({ client_id: 'site', response_mode: mode, prompt: 'none', claims: eva })
      await fails(back(client, address(kept.params), kept, mode), 'login_required')
    }
    const kept = await wish({ client_id: 'site', response_mode: 'query.jwt' })
    await fails(back({ client_id: 'another' }, address(kept.params), kept, 'query.jwt'), 'OAUTH_JWT_CLAIM_COMPARISON_FAILED')
    await fails(back(client, address(kept.params), { ...kept, state: 'of another' }, 'query.jwt'), 'OAUTH_INVALID_RESPONSE')
  },
  async jar_and_jarm() { // FAPI 2.0 Message Signing §5.3, §5.4
    const client = { ...signer, authorization_signed_response_alg: 'RS256' }
    const kept = await wish({ response_mode: 'jwt' })
    const request = await oauth.issueRequestObject(as, client, kept.params, await key('PS256'))
    const answer = await oauth.pushedAuthorizationRequest(as, client, auth, { request }, http)
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, answer)
    const claims = await redeem(client, await back(client, address({ client_id: 'signer', request_uri }), kept, 'jwt'), kept)
    check(claims.sub === 'ana', JSON.stringify(claims))
  },
  async form_post() {
    const client = { client_id: 'site' }
    const kept = await wish({ client_id: 'site', response_mode: 'form_post' })
    const claims = await redeem(client, await back(client, address(kept.params), kept, 'form_post'), kept)
    check(claims.sub === 'ana', JSON.stringify(claims))
  },
  async hybrid() { // OpenID Connect Core §3.3
    const client = { client_id: 'hybrid' }
    for (const [params, get] of [[{}, authorize], [{ response_mode: 'form_post' }, post]]) {
      const kept = await wish({ client_id: 'hybrid', response_type: 'code id_token', ...params })
      const from = await get(address(kept.params))
      const code = await oauth.validateCodeIdTokenResponse(as, client, from, kept.nonce, kept.state, undefined, http)
      const claims = await redeem(client, code, kept)
      check(claims.sub === 'ana', JSON.stringify(claims))
    }
    const kept = await wish({ client_id: 'hybrid', response_type: 'code id_token' })
    const from = await authorize(address(kept.params))
    await fails(oauth.validateCodeIdTokenResponse(as, client, from, 'that of another', kept.state, undefined, http), 'OAUTH_JWT_CLAIM_COMPARISON_FAILED')
  },
})
