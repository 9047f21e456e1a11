import * as client from 'openid-client'
import { authorize, check, decide, fails, issuer, other, redirectURI, resource, run, secret } from './browser.mjs'

const options = { algorithm: 'oauth2', execute: [client.allowInsecureRequests] }
const configure = (id, auth) => client.discovery(new URL(issuer), id, undefined, auth, options)

async function flow(config, params = {}, exchange = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectURI,
    scope: 'read offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...params,
  })
  return client.authorizationCodeGrant(config, await authorize(url), { pkceCodeVerifier: verifier, expectedState: state }, exchange)
}

await run({
  async code_public() {
    const config = await configure('spa', client.None())
    const tokens = await flow(config)
    const next = await client.refreshTokenGrant(config, tokens.refresh_token)
    check(next.access_token && next.refresh_token !== tokens.refresh_token, JSON.stringify(next))
  },
  async code_confidential() {
    const config = await configure('web', client.ClientSecretBasic(secret))
    const tokens = await flow(config)
    check((await client.tokenIntrospection(config, tokens.access_token)).active, 'not active')
    await client.tokenRevocation(config, tokens.access_token)
    check(!(await client.tokenIntrospection(config, tokens.access_token)).active, 'still active')
  },
  async code_client_secret_post() {
    check((await flow(await configure('web', client.ClientSecretPost(secret)))).access_token, 'no token')
  },
  async client_credentials() {
    const config = await configure('service', client.ClientSecretBasic(secret))
    check((await client.clientCredentialsGrant(config, { scope: 'read', resource: other })).scope === 'read', 'another scope')
    await fails(client.clientCredentialsGrant(config, { scope: 'nope' }), 'invalid_scope')
  },
  async resource_indicators() {
    const config = await configure('spa', client.None())
    check((await flow(config, { resource }, { resource })).access_token, 'no token')
  },
  async pushed_authorization_request() {
    const config = await configure('web', client.ClientSecretBasic(secret))
    const verifier = client.randomPKCECodeVerifier()
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: redirectURI, scope: 'read', state: 's',
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })
    const tokens = await client.authorizationCodeGrant(config, await authorize(url), { pkceCodeVerifier: verifier, expectedState: 's' })
    check(tokens.access_token, 'no token')
  },
  async dpop_with_pushed_authorization_request() {
    const config = await configure('spa', client.None())
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
    const verifier = client.randomPKCECodeVerifier()
    const url = await client.buildAuthorizationUrlWithPAR(
      config,
      {
        redirect_uri: redirectURI, scope: 'read offline_access', state: 's',
        code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
      },
      { DPoP },
    )
    const tokens = await client.authorizationCodeGrant(
      config, await authorize(url), { pkceCodeVerifier: verifier, expectedState: 's' }, undefined, { DPoP },
    )
    check(tokens.token_type === 'dpop', tokens.token_type)
    const answer = await client.fetchProtectedResource(config, tokens.access_token, new URL(resource), 'GET', undefined, undefined, { DPoP })
    check(answer.status === 200, `the API answers ${answer.status}`)
    check((await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })).token_type === 'dpop', 'refreshed to another type')
  },
  async introspection_signed() {
    const tokens = await flow(await configure('spa', client.None()))
    const metadata = { introspection_signed_response_alg: 'EdDSA' }
    const config = await client.discovery(new URL(issuer), 'signed-api', metadata, client.ClientSecretBasic(secret), {
      ...options, execute: [...options.execute, client.enableNonRepudiationChecks], // it verifies the signature
    })
    const said = await client.tokenIntrospection(config, tokens.access_token)
    check(said.active && said.client_id === 'spa', JSON.stringify(said))
    check(!(await client.tokenIntrospection(config, 'no token at all')).active, 'active')
  },
  async device() {
    const config = await configure('tv', client.None())
    const device = await client.initiateDeviceAuthorization(config, { scope: 'read offline_access' })
    check(device.user_code && device.verification_uri_complete && device.interval === 5, JSON.stringify(device))
    const polling = client.pollDeviceAuthorizationGrant(config, device)
    // The first poll is after five seconds, and finds that the user has not decided yet.
    await new Promise((resolve) => setTimeout(resolve, 6000))
    await decide(device.verification_uri_complete, 'allow')
    const tokens = await polling
    check(tokens.scope === 'read offline_access', JSON.stringify(tokens))
    check((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token, 'not refreshed')
    await fails(client.pollDeviceAuthorizationGrant(config, device), 'invalid_grant') // used up
  },
  async device_denied() {
    const config = await configure('tv', client.None())
    const device = await client.initiateDeviceAuthorization(config, { scope: 'read' })
    await decide(device.verification_uri_complete, 'deny')
    await fails(client.pollDeviceAuthorizationGrant(config, device), 'access_denied')
  },
  async registration() {
    const config = await client.dynamicClientRegistration(
      new URL(issuer), { client_name: 'New', redirect_uris: [redirectURI], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' },
      undefined, options,
    )
    check((await flow(config)).access_token, 'no token')
  },
})
