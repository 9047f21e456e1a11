import * as client from 'openid-client'
import { authorize, check, fails, issuer, other, redirectURI, resource, run, secret } from './browser.mjs'

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
})
