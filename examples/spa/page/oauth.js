// An OAuth client in a browser, without a build and without a library: authorization code
// with PKCE (RFC 7636), DPoP (RFC 9449) with a key that no script can take away, refresh
// with rotation (RFC 6749 §6), revocation (RFC 7009).

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)))
const encoder = new TextEncoder()
const sha256 = async (text) => base64url(await crypto.subtle.digest('SHA-256', encoder.encode(text)))

// The key lives in IndexedDB as an object that signs and cannot be read: extractable is
// false. Whoever injects a script may use it while the page is open, and takes nothing along.
async function database() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('reader', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('kept')
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

async function kept(mode, act) {
  const db = await database()
  return new Promise((resolve, reject) => {
    const request = act(db.transaction('kept', mode).objectStore('kept'))
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  }).finally(() => db.close())
}

const load = (name) => kept('readonly', (store) => store.get(name))
const save = (name, value) => kept('readwrite', (store) => store.put(value, name))
const drop = (name) => kept('readwrite', (store) => store.delete(name))

async function key() {
  let pair = await load('key')
  if (!pair) {
    pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
    await save('key', pair)
  }
  return pair
}

// The nonces that servers have asked for, by origin (RFC 9449 §8, §9).
const nonces = new Map()

// proof is a DPoP proof for one request (RFC 9449 §4.2).
async function proof(method, url, token) {
  const { privateKey, publicKey } = await key()
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey)
  const to = new URL(url)
  const claims = { jti: random(), htm: method, htu: to.origin + to.pathname, iat: Math.floor(Date.now() / 1000) }
  if (token) claims.ath = await sha256(token)
  if (nonces.has(to.origin)) claims.nonce = nonces.get(to.origin)
  const part = (value) => base64url(encoder.encode(JSON.stringify(value)))
  const input = part({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }) + '.' + part(claims)
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, encoder.encode(input))
  return input + '.' + base64url(signature)
}

// send sends a request with a proof, once more if the server wants a nonce in it.
async function send(url, init, token) {
  for (let tries = 0; ; tries++) {
    const headers = { ...init.headers, DPoP: await proof(init.method, url, token) }
    if (token) headers.Authorization = 'DPoP ' + token
    const answer = await fetch(url, { ...init, headers })
    const nonce = answer.headers.get('DPoP-Nonce')
    if (nonce) nonces.set(new URL(url).origin, nonce)
    if (answer.ok || !nonce || tries > 0) return answer
    if (answer.status !== 400 && answer.status !== 401) return answer
  }
}

export class Client {
  constructor({ issuer, clientID, redirectURI, scope }) {
    Object.assign(this, { issuer, clientID, redirectURI, scope })
  }

  async metadata() {
    // RFC 8414 §3: the well-known string goes between host and path of the issuer.
    const issuer = new URL(this.issuer)
    const path = issuer.pathname === '/' ? '' : issuer.pathname
    const answer = await fetch(issuer.origin + '/.well-known/oauth-authorization-server' + path)
    const metadata = await answer.json()
    if (metadata.issuer !== this.issuer) throw new Error('the metadata is of another server')
    return metadata
  }

  // connect leaves the page for the server.
  async connect() {
    const { authorization_endpoint } = await this.metadata()
    const flow = { state: random(), verifier: random() }
    sessionStorage.setItem('flow', JSON.stringify(flow))
    const url = new URL(authorization_endpoint)
    const params = {
      response_type: 'code', client_id: this.clientID, redirect_uri: this.redirectURI, scope: this.scope,
      state: flow.state, code_challenge: await sha256(flow.verifier), code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
    location.assign(url)
  }

  // comeBack redeems what the server has put into the URL, and takes it out of there. It
  // returns whether there was anything.
  async comeBack() {
    const back = new URLSearchParams(location.search)
    if (!back.has('state')) return false
    history.replaceState(null, '', location.pathname)
    const flow = JSON.parse(sessionStorage.getItem('flow') ?? '{}')
    sessionStorage.removeItem('flow')
    if (back.get('state') !== flow.state) throw new Error('the answer belongs to another request')
    if (back.get('iss') !== this.issuer) throw new Error('another server has answered') // RFC 9207 §2.4
    if (back.has('error')) throw new Error(back.get('error_description') ?? back.get('error'))
    await this.token({
      grant_type: 'authorization_code', code: back.get('code'), redirect_uri: this.redirectURI, code_verifier: flow.verifier,
    })
    return true
  }

  async token(params) {
    const { token_endpoint } = await this.metadata()
    const answer = await send(token_endpoint, {
      method: 'POST', body: new URLSearchParams({ client_id: this.clientID, ...params }),
    })
    const tokens = await answer.json()
    if (!answer.ok) {
      if (tokens.error === 'invalid_grant') await drop('tokens')
      throw new Error(tokens.error_description ?? tokens.error)
    }
    tokens.until = Date.now() + tokens.expires_in * 1000
    await save('tokens', tokens)
    return tokens
  }

  tokens() { return load('tokens') }

  // refresh takes turns with other tabs: a refresh token is for one use.
  async refresh() {
    return navigator.locks.request('refresh', async () => {
      const { refresh_token } = (await load('tokens')) ?? {}
      if (!refresh_token) throw new Error('there is nothing to refresh')
      return this.token({ grant_type: 'refresh_token', refresh_token })
    })
  }

  // call asks the API, with a fresh token if the one at hand has ended.
  async call(url) {
    let tokens = await load('tokens')
    if (!tokens) throw new Error('not connected')
    if (tokens.until < Date.now() + 5000) tokens = await this.refresh()
    let answer = await send(url, { method: 'GET' }, tokens.access_token)
    if (answer.status === 401) {
      tokens = await this.refresh()
      answer = await send(url, { method: 'GET' }, tokens.access_token)
    }
    if (!answer.ok) throw new Error(`the API answers ${answer.status}`)
    return answer.json()
  }

  async disconnect() {
    const tokens = await load('tokens')
    await drop('tokens')
    if (!tokens?.refresh_token) return
    const { revocation_endpoint } = await this.metadata()
    await fetch(revocation_endpoint, {
      method: 'POST', body: new URLSearchParams({ client_id: this.clientID, token: tokens.refresh_token }),
    })
  }
}
