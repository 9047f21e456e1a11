import * as oauth from 'oauth4webapi'
import { authorize, check, fails, issuer, other, redirectURI, resource, run, secret } from './browser.mjs'

const http = { [oauth.allowInsecureRequests]: true } // the server listens on loopback

const server = new URL(issuer)
const as = await oauth
  .discoveryRequest(server, { ...http, algorithm: 'oauth2' })
  .then((answer) => oauth.processDiscoveryResponse(server, answer))

const page = { client_id: 'spa' }
const web = { client_id: 'web' }

// code takes a client through the authorization endpoint.
async function code(client, params = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(as.authorization_endpoint)
  for (const [name, value] of Object.entries({
    client_id: client.client_id,
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'read write offline_access',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...params,
  })) {
    for (const one of [value].flat()) url.searchParams.append(name, one)
  }
  const back = await authorize(url)
  return { verifier, callback: oauth.validateAuthResponse(as, client, back, state) }
}

async function exchange(client, auth, params, options = {}) {
  const { verifier, callback } = await code(client, params)
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, callback, redirectURI, verifier, { ...http, ...options })
  return oauth.processAuthorizationCodeResponse(as, client, answer)
}

async function refresh(client, auth, token, options = {}) {
  const answer = await oauth.refreshTokenGrantRequest(as, client, auth, token, { ...http, ...options })
  return oauth.processRefreshTokenResponse(as, client, answer)
}

// validate has the library judge a signed access token as a resource server would (RFC 9068 §4).
async function validate(token, audience) {
  const request = new Request('https://api.example/', { headers: { authorization: `Bearer ${token}` } })
  return oauth.validateJwtAccessToken(as, request, audience, http)
}

async function introspect(token, client = { client_id: 'api' }) {
  const answer = await oauth.introspectionRequest(as, client, oauth.ClientSecretBasic(secret), token, http)
  return oauth.processIntrospectionResponse(as, client, answer)
}

// introspectSigned demands a signed answer, and verifies its signature too (RFC 9701).
async function introspectSigned(token, client, alg) {
  const answer = await oauth.introspectionRequest(as, client, oauth.ClientSecretBasic(secret), token, { ...http, requestJwtResponse: true })
  check(answer.headers.get('content-type') === 'application/token-introspection+jwt', answer.headers.get('content-type'))
  const [header] = (await answer.clone().text()).split('.')
  check(JSON.parse(atob(header)).alg === alg, atob(header))
  const said = await oauth.processIntrospectionResponse(as, client, answer)
  await oauth.validateApplicationLevelSignature(as, answer, http)
  return said
}

await run({
  async code_public() {
    const tokens = await exchange(page, oauth.None())
    check(tokens.refresh_token && tokens.token_type === 'bearer' && tokens.expires_in === 3600, JSON.stringify(tokens))
    const claims = await validate(tokens.access_token, resource)
    check(claims.sub === 'ana' && claims.client_id === 'spa' && claims.scope === 'read write offline_access', JSON.stringify(claims))
  },
  async code_client_secret_basic() {
    check((await exchange(web, oauth.ClientSecretBasic(secret))).access_token, 'no token')
  },
  async code_client_secret_post() {
    check((await exchange(web, oauth.ClientSecretPost(secret))).access_token, 'no token')
  },
  async code_replayed() {
    const { verifier, callback } = await code(page)
    const redeem = async () =>
      oauth.processAuthorizationCodeResponse(
        as,
        page,
        await oauth.authorizationCodeGrantRequest(as, page, oauth.None(), callback, redirectURI, verifier, http),
      )
    const tokens = await redeem()
    await fails(redeem(), 'invalid_grant')
    await fails(refresh(page, oauth.None(), tokens.refresh_token), 'invalid_grant')
  },
  async wrong_secret() {
    const error = await fails(exchange(web, oauth.ClientSecretBasic('wrong')), 'OAUTH_WWW_AUTHENTICATE_CHALLENGE')
    check(error.status === 401 && error.cause[0].scheme === 'basic', JSON.stringify(error.cause))
  },
  async error_response() {
    const error = await fails(code(page, { scope: 'nope' }), 'invalid_scope')
    check(error.cause.get('iss') === issuer, 'no iss')
  },
  async refresh() {
    const first = await exchange(page, oauth.None())
    const second = await refresh(page, oauth.None(), first.refresh_token)
    check(second.refresh_token !== first.refresh_token, 'not rotated')
    const claims = await validate(second.access_token, resource)
    check(claims.sub === 'ana', JSON.stringify(claims))
    const narrow = await refresh(page, oauth.None(), second.refresh_token, { additionalParameters: { scope: 'read' } })
    check(narrow.scope === 'read', JSON.stringify(narrow))
  },
  async client_credentials() {
    const service = { client_id: 'service' }
    const answer = await oauth.clientCredentialsGrantRequest(as, service, oauth.ClientSecretBasic(secret), { scope: 'read' }, http)
    const tokens = await oauth.processClientCredentialsResponse(as, service, answer)
    const claims = await validate(tokens.access_token, resource)
    check(claims.sub === 'service' && claims.scope === 'read', JSON.stringify(claims))
  },
  async introspection_and_revocation() {
    const tokens = await exchange(web, oauth.ClientSecretBasic(secret))
    const said = await introspect(tokens.access_token)
    check(said.active && said.sub === 'ana' && said.aud === resource, JSON.stringify(said))
    const revoke = async (token) =>
      oauth.processRevocationResponse(await oauth.revocationRequest(as, web, oauth.ClientSecretBasic(secret), token, http))
    await revoke(tokens.refresh_token)
    check(!(await introspect(tokens.access_token)).active, 'still active')
    await revoke('no token at all')
  },
  async introspection_signed() {
    check(as.introspection_signing_alg_values_supported.join() === 'ES256,EdDSA', JSON.stringify(as))
    const tokens = await exchange(web, oauth.ClientSecretBasic(secret))
    const clients = [
      [{ client_id: 'api' }, 'ES256'], // which the server prefers
      [{ client_id: 'signed-api', introspection_signed_response_alg: 'EdDSA' }, 'EdDSA'], // which is registered
    ]
    for (const [client, alg] of clients) {
      const said = await introspectSigned(tokens.access_token, client, alg)
      const plain = await introspect(tokens.access_token, { client_id: client.client_id })
      check(said.active && said.sub === 'ana' && JSON.stringify(said) === JSON.stringify(plain), JSON.stringify(said))
      check(JSON.stringify(await introspectSigned('no token at all', client, alg)) === '{"active":false}', 'more than that it is not active')
    }
    const elsewhere = await exchange(page, oauth.None(), { resource: other }, { additionalParameters: { resource: other } })
    for (const [client, alg] of clients) {
      check(!(await introspectSigned(elsewhere.access_token, client, alg)).active, 'active, and for another resource')
    }
    // What is signed for one resource server does not satisfy another, nor in another algorithm.
    const ask = async (client, judge) =>
      oauth.processIntrospectionResponse(
        as, judge, await oauth.introspectionRequest(as, client, oauth.ClientSecretBasic(secret), tokens.access_token, { ...http, requestJwtResponse: true }),
      )
    await fails(ask({ client_id: 'api' }, { client_id: 'signed-api' }), 'OAUTH_JWT_CLAIM_COMPARISON_FAILED')
    await fails(ask({ client_id: 'api' }, { client_id: 'api', introspection_signed_response_alg: 'EdDSA' }), 'OAUTH_INVALID_RESPONSE')
  },
  async resource_indicators() {
    const tokens = await exchange(page, oauth.None(), { resource: [resource, other] }, { additionalParameters: { resource: other } })
    check((await validate(tokens.access_token, other)).aud === other, 'another audience')
    const next = await refresh(page, oauth.None(), tokens.refresh_token, { additionalParameters: { resource } })
    check((await validate(next.access_token, resource)).aud === resource, 'another audience')
    await fails(refresh(page, oauth.None(), next.refresh_token, { additionalParameters: { resource: 'https://nowhere.example/' } }), 'invalid_target')
    await fails(code(page, { resource: 'https://nowhere.example/' }), 'invalid_target')
  },
  async resource_metadata() {
    const place = new URL(resource)
    const answer = await oauth.resourceDiscoveryRequest(place, http)
    const found = await oauth.processResourceDiscoveryResponse(place, answer)
    check(found.authorization_servers[0] === issuer, JSON.stringify(found))
  },
  async pushed_authorization_request() {
    const verifier = oauth.generateRandomCodeVerifier()
    const answer = await oauth.pushedAuthorizationRequest(
      as, web, oauth.ClientSecretBasic(secret),
      {
        redirect_uri: redirectURI, response_type: 'code', scope: 'read',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state: 's',
      },
      http,
    )
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, web, answer)
    const url = new URL(as.authorization_endpoint)
    url.search = new URLSearchParams({ client_id: 'web', request_uri })
    const callback = oauth.validateAuthResponse(as, web, await authorize(url), 's')
    const redeemed = await oauth.authorizationCodeGrantRequest(as, web, oauth.ClientSecretBasic(secret), callback, redirectURI, verifier, http)
    check((await oauth.processAuthorizationCodeResponse(as, web, redeemed)).scope === 'read', 'another scope')
  },
  async dpop_code_refresh_and_api() {
    const DPoP = oauth.DPoP(page, await oauth.generateKeyPair('ES256'))
    // Where the server wants a nonce that the client does not know yet, the library says so.
    const again = async (act) => {
      try {
        return await act()
      } catch (e) {
        if (!oauth.isDPoPNonceError(e)) throw e
        return act()
      }
    }
    const { verifier, callback } = await code(page)
    const tokens = await again(async () =>
      oauth.processAuthorizationCodeResponse(
        as, page, await oauth.authorizationCodeGrantRequest(as, page, oauth.None(), callback, redirectURI, verifier, { ...http, DPoP }),
      ),
    )
    check(tokens.token_type === 'dpop', tokens.token_type)
    const next = await again(() => refresh(page, oauth.None(), tokens.refresh_token, { DPoP }))
    const answer = await again(() =>
      oauth.protectedResourceRequest(next.access_token, 'GET', new URL(resource), undefined, undefined, { ...http, DPoP }),
    )
    check(answer.status === 200 && (await answer.text()) === 'ana', `the API answers ${answer.status}`)
    const bearer = await fetch(resource, { headers: { authorization: `Bearer ${next.access_token}` } })
    check(bearer.status === 401, `as a bearer token: ${bearer.status}`)
    const claims = await introspect(next.access_token)
    check(claims.cnf?.jkt && claims.token_type === 'DPoP', JSON.stringify(claims))
    const other = oauth.DPoP(page, await oauth.generateKeyPair('ES256'))
    await fails(again(() => refresh(page, oauth.None(), next.refresh_token, { DPoP: other })), 'invalid_grant')
  },
  async registration_and_private_key_jwt() {
    for (const alg of ['ES256', 'RS256', 'PS256']) {
      const pair = await oauth.generateKeyPair(alg, { extractable: true })
      const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey('jwk', pair.publicKey)
      const answer = await oauth.dynamicClientRegistrationRequest(
        as,
        {
          client_name: alg, token_endpoint_auth_method: 'private_key_jwt', grant_types: ['client_credentials'], response_types: [],
          jwks: { keys: [{ kty, crv, x, y, n, e, kid: alg }] }, scope: 'read',
        },
        http,
      )
      const client = await oauth.processDynamicClientRegistrationResponse(answer)
      const auth = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: alg })
      const issued = await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'read' }, http)
      const tokens = await oauth.processClientCredentialsResponse(as, client, issued)
      check((await validate(tokens.access_token, resource)).client_id === client.client_id, alg)
    }
  },
})
