import { compactDecrypt } from 'jose'
import * as oauth from 'oauth4webapi'
import { authorize, check, decryptionKey, encryptions, fails, issuer, redirectURI, run, secret } from './browser.mjs'

const http = { [oauth.allowInsecureRequests]: true } // the server listens on loopback
const auth = oauth.ClientSecretBasic(secret)
const server = new URL(issuer)
const as = await oauth.discoveryRequest(server, http).then((answer) => oauth.processDiscoveryResponse(server, answer))

// decrypting has the library decrypt with this key, and takes nothing that is not encrypted as
// it was agreed.
async function decrypting({ alg, enc }, name = alg) {
  const { key } = await decryptionKey(name)
  let count = 0
  const decrypt = async (jwe) => {
    count++
    const allowed = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] }
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, key, allowed).catch((cause) => {
      throw new oauth.OperationProcessingError('decryption failed', { cause, code: 'DECRYPTION_FAILED' })
    })
    check(protectedHeader.cty === 'JWT', JSON.stringify(protectedHeader)) // RFC 7519 §5.2
    return new TextDecoder().decode(plaintext)
  }
  return { options: { ...http, [oauth.jweDecrypt]: decrypt }, count: () => count }
}

async function signIn(site, { options }, mode) {
  const client = { client_id: site.id, authorization_signed_response_alg: 'RS256' }
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: site.id,
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'openid email',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...(mode && { response_mode: mode }),
  })
  const back = await authorize(url)
  const params = mode ? await oauth.validateJwtAuthResponse(as, client, back, state, options) : oauth.validateAuthResponse(as, client, back, state)
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, params, redirectURI, verifier, http)
  return oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true, ...options })
}

await run({
  async discovery() {
    for (const of of ['id_token', 'userinfo', 'introspection', 'authorization']) {
      check(as[`${of}_encryption_alg_values_supported`].includes('ECDH-ES') && as[`${of}_encryption_enc_values_supported`].includes('A128GCM'), of)
    }
  },
  async id_token_and_userinfo() {
    for (const site of encryptions) {
      const key = await decrypting(site)
      const tokens = await signIn(site, key)
      check(oauth.getValidatedIdTokenClaims(tokens).sub === 'ana' && key.count() === 1, `${key.count()} decrypted`)
      const client = { client_id: site.id, userinfo_signed_response_alg: 'RS256' }
      const answer = await oauth.userInfoRequest(as, client, tokens.access_token, http)
      check(answer.headers.get('content-type') === 'application/jwt', answer.headers.get('content-type'))
      const info = await oauth.processUserInfoResponse(as, client, 'ana', answer, key.options)
      check(info.email === 'ana@example.com' && key.count() === 2, JSON.stringify(info))
    }
  },
  async jarm() {
    for (const site of encryptions) {
      const key = await decrypting(site)
      await signIn(site, key, 'jwt')
      check(key.count() === 2, `${key.count()} decrypted`) // the response, and the ID token
    }
  },
  async introspection() {
    const site = encryptions[0]
    const key = await decrypting(site)
    const tokens = await signIn(site, key)
    const client = { client_id: site.id, introspection_signed_response_alg: 'RS256' }
    const answer = await oauth.introspectionRequest(as, client, auth, tokens.access_token, { ...http, requestJwtResponse: true })
    const said = await oauth.processIntrospectionResponse(as, client, answer, key.options)
    check(said.active && said.sub === 'ana' && key.count() === 2, JSON.stringify(said))
  },
  async another_key() {
    for (const site of encryptions) {
      await fails(signIn(site, await decrypting(site, `${site.alg} of another`)), 'DECRYPTION_FAILED')
    }
  },
})
