import * as client from 'openid-client'
import * as oauth from 'oauth4webapi'
import { check, fails, issuer, run, secret } from './browser.mjs'

const asked = { scope: 'openid read', login_hint: 'ana', binding_message: 'W4SCT' }
const http = { [oauth.allowInsecureRequests]: true } // the server listens on loopback
const auth = oauth.ClientSecretBasic(secret)
const desk = { client_id: 'desk' }

const configure = () =>
  client.discovery(new URL(issuer), desk.client_id, undefined, client.ClientSecretBasic(secret), {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  })

const server = async () =>
  oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), http))

// answer is what the user does on the phone.
async function answer(decision) {
  const done = await fetch(`${issuer}/phone`, { method: 'POST', body: new URLSearchParams({ decision }) })
  check(done.status === 204, `the phone answers ${done.status}: ${await done.text()}`)
}

async function begin(as, who, params) {
  const asking = await oauth.backchannelAuthenticationRequest(as, who, auth, params, http)
  return oauth.processBackchannelAuthenticationResponse(as, who, asking)
}

async function collect(as, who, id) {
  const got = await oauth.backchannelAuthenticationGrantRequest(as, who, auth, id, http)
  const tokens = await oauth.processBackchannelAuthenticationGrantResponse(as, who, got)
  await oauth.validateApplicationLevelSignature(as, got, http)
  return oauth.getValidatedIdTokenClaims(tokens)
}

await run({
  async openid_client_approved() {
    const config = await configure()
    const begun = await client.initiateBackchannelAuthentication(config, asked)
    await answer('yes')
    const tokens = await client.pollBackchannelAuthenticationGrant(config, begun)
    const claims = tokens.claims()
    check(claims.sub === 'ana' && claims.acr === 'phone', JSON.stringify(claims))
    await client.refreshTokenGrant(config, tokens.refresh_token)
  },
  async openid_client_denied() {
    const config = await configure()
    const begun = await client.initiateBackchannelAuthentication(config, asked)
    await answer('no')
    await fails(client.pollBackchannelAuthenticationGrant(config, begun), 'access_denied')
  },
  async openid_client_refused() {
    const config = await configure()
    await fails(client.initiateBackchannelAuthentication(config, { ...asked, login_hint: 'eva' }), 'unknown_user_id')
    await fails(client.initiateBackchannelAuthentication(config, { ...asked, scope: 'read' }), 'invalid_scope')
  },
  async oauth4webapi_approved() {
    const as = await server()
    const begun = await begin(as, desk, asked)
    check(begun.interval === 5 && begun.expires_in === 300, JSON.stringify(begun))
    await fails(collect(as, desk, begun.auth_req_id), 'authorization_pending')
    await fails(collect(as, desk, begun.auth_req_id), 'slow_down')
    await answer('yes')
    const claims = await collect(as, desk, begun.auth_req_id)
    check(claims.sub === 'ana', JSON.stringify(claims))
    await fails(collect(as, desk, begun.auth_req_id), 'invalid_grant')
  },
  async oauth4webapi_signed() {
    const as = await server()
    const signing = { client_id: 'signing-desk' }
    const { privateKey, publicKey } = await oauth.generateKeyPair('ES256', { extractable: true })
    const key = await crypto.subtle.exportKey('jwk', publicKey)
    const told = await fetch(`${issuer}/keys`, { method: 'POST', body: JSON.stringify({ keys: [{ ...key, key_ops: undefined, ext: undefined }] }) })
    check(told.status === 204, `telling the key answers ${told.status}: ${await told.text()}`)
    const request = await oauth.issueRequestObject(as, signing, asked, privateKey)
    const begun = await begin(as, signing, { request })
    await answer('yes')
    const claims = await collect(as, signing, begun.auth_req_id)
    check(claims.sub === 'ana', JSON.stringify(claims))
    await fails(begin(as, signing, { request }), 'invalid_request') // it counts once
    await fails(begin(as, signing, asked), 'invalid_request') // and unsigned not at all
  },
})
