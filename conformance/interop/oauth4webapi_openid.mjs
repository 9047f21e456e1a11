import * as oauth from 'oauth4webapi'
import { authorize, check, fails, issuer, redirectURI, run, secret, turn } from './browser.mjs'

const jwks = {} // the library's cache of the key set
const http = { [oauth.allowInsecureRequests]: true, [oauth.jwksCache]: jwks } // the server listens on loopback
const auth = oauth.ClientSecretBasic(secret)

// By OpenID Connect Discovery §4, which is what the library does unless it is told otherwise.
const server = new URL(issuer)
let as = await oauth.discoveryRequest(server, http).then((answer) => oauth.processDiscoveryResponse(server, answer))

async function callback(client, params) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'openid profile email offline_access',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...params,
  })
  return { verifier, back: oauth.validateAuthResponse(as, client, await authorize(url), state) }
}

// signIn has the library judge the ID token, by its signature too.
async function signIn(client, params = {}, expected = {}) {
  const nonce = oauth.generateRandomNonce()
  const { verifier, back } = await callback(client, { nonce, ...params })
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, back, redirectURI, verifier, http)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true, ...expected })
  await oauth.validateApplicationLevelSignature(as, answer, http)
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
}

async function userInfo(client, token, subject) {
  const answer = await oauth.userInfoRequest(as, client, token, http)
  const type = answer.headers.get('content-type')
  const info = await oauth.processUserInfoResponse(as, client, subject, answer)
  if (client.userinfo_signed_response_alg) await oauth.validateApplicationLevelSignature(as, answer, http)
  return { info, type }
}

const site = { client_id: 'site' }

await run({
  async discovery() {
    check(as.issuer === issuer && as.subject_types_supported.join() === 'public', JSON.stringify(as))
    check(as.id_token_signing_alg_values_supported.includes('RS256'), JSON.stringify(as)) // Discovery §3
    check(as.claims_parameter_supported && as.scopes_supported.includes('openid'), JSON.stringify(as))
  },
  async code_and_userinfo() {
    const { tokens, claims } = await signIn(site)
    check(claims.sub === 'ana' && claims.aud === 'site' && claims.at_hash && claims.email === undefined, JSON.stringify(claims))
    const { info, type } = await userInfo(site, tokens.access_token, claims.sub)
    check(info.email === 'ana@example.com' && info.email_verified === true && info.name === 'Ana Example', JSON.stringify(info))
    check(type.startsWith('application/json'), type)
    await fails(userInfo(site, tokens.access_token, 'eva'), 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
    await fails(userInfo(site, 'no token at all', 'ana'), 'OAUTH_WWW_AUTHENTICATE_CHALLENGE')
  },
  async algorithms() {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const client = { client_id: `site-${alg.toLowerCase()}-signed`, id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg }
      const { tokens, claims } = await signIn(client)
      const { info, type } = await userInfo(client, tokens.access_token, claims.sub)
      check(type === 'application/jwt' && info.iss === issuer && info.aud === client.client_id && info.email, JSON.stringify(info))
    }
    const other = { client_id: 'site-es256', id_token_signed_response_alg: 'RS256' }
    await fails(signIn(other), 'OAUTH_INVALID_RESPONSE') // the server knows it by another
  },
  async nonce_of_another() {
    await fails(signIn(site, { nonce: 'that of another' }), 'OAUTH_JWT_CLAIM_COMPARISON_FAILED')
  },
  async max_age() {
    const old = await signIn(site)
    const fresh = await signIn(site, { max_age: '60' }, { maxAge: 60 })
    check(fresh.claims.auth_time - old.claims.auth_time > 300, 'not signed in again')
    await fails(signIn(site, {}, { maxAge: 60 }), 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED')
  },
  async claims_parameter() {
    const wish = { id_token: { email: { essential: true } }, userinfo: { name: null } }
    const { tokens, claims } = await signIn(site, { scope: 'openid', claims: JSON.stringify(wish) })
    check(claims.email === 'ana@example.com' && claims.name === undefined, JSON.stringify(claims))
    const { info } = await userInfo(site, tokens.access_token, claims.sub)
    check(info.name === 'Ana Example' && info.email === undefined, JSON.stringify(info))
    await fails(callback(site, { claims: '[]' }), 'invalid_request')
  },
  async prompt_none() {
    const { tokens } = await signIn(site)
    const { claims } = await signIn(site, { prompt: 'none', id_token_hint: tokens.id_token })
    check(claims.sub === 'ana', JSON.stringify(claims))
    const eva = JSON.stringify({ id_token: { sub: { value: 'eva' } } })
    await fails(callback(site, { prompt: 'none', claims: eva }), 'login_required')
  },
  async refresh() {
    const { tokens, claims } = await signIn(site)
    const answer = await oauth.refreshTokenGrantRequest(as, site, auth, tokens.refresh_token, http)
    const next = await oauth.processRefreshTokenResponse(as, site, answer)
    await oauth.validateApplicationLevelSignature(as, answer, http)
    const again = oauth.getValidatedIdTokenClaims(next)
    check(again.sub === claims.sub && again.auth_time === claims.auth_time && again.nonce === undefined, JSON.stringify(again))
    check(again.at_hash !== claims.at_hash, 'the at_hash of another access token')
  },
  async key_rotation() {
    const day = 24 * 60 * 60
    const { tokens } = await signIn(site)
    const kid = (token) => JSON.parse(atob(token.split('.')[0])).kid
    const held = jwks.uat
    const at = async (seconds) => {
      await turn(seconds)
      const client = { ...site, [oauth.clockSkew]: seconds }
      // The library looks for an unknown key again when its cache is a minute old, by the
      // clock that nobody has moved. It takes the cache as for a server that it meets anew.
      jwks.uat = held - 120
      as = { ...as }
      return (await signIn(client)).tokens
    }
    check(kid((await at(89 * day)).id_token) === kid(tokens.id_token), 'another key, and too soon')
    check(jwks.uat === held - 120, 'the key set was fetched again while the key was known')
    check(kid((await at(90 * day + 3600)).id_token) !== kid(tokens.id_token), 'the same key, for too long')
    check(jwks.uat >= held, 'the key set was not fetched again')
  },
})
