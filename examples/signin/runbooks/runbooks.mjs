// Runbooks on openid-client: what site.go and site_logout.go are on go-oidc. It is told all it
// needs in the first line of its input, tells its port in the first of its output, and ends when
// its input does.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'

const input = createInterface({ input: process.stdin })
const { url, issuer, id, key, top, algorithm, scopes } = JSON.parse(await new Promise((resolve) => input.once('line', resolve)))
input.on('close', () => process.exit())

// All else it finds out by the issuer. It has a key in place of a secret, and knows the
// algorithm of what it is told (RFC 8725 §3.1).
const { kid, ...jwk } = JSON.parse(key)
const private_ = { kid, key: await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']) }
const registered = { id_token_signed_response_alg: algorithm, userinfo_signed_response_alg: algorithm }
const config = await client.discovery(new URL(issuer), id, registered, client.PrivateKeyJwt(private_), {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks], // Pager is on loopback
})
const { jwks_uri, end_session_endpoint } = config.serverMetadata()
const keys = createRemoteJWKSet(new URL(jwks_uri))

const asking = new Map() // by cookie: requests whose answers have not come yet
const people = new Map() // by cookie: who is signed in
const tokens = new Map() // logout tokens that have come, by jti, until they expire
const [askingFor, maxAsking] = [10 * 60_000, 1000]

// ask sends the browser to Pager with a question.
async function ask({ answer }, confirms, params = {}) {
  const a = { confirms, since: Date.now(), verifier: client.randomPKCECodeVerifier(), state: client.randomState(), nonce: client.randomNonce() }
  for (const [other, { since }] of asking) if (Date.now() - since > askingFor || asking.size >= maxAsking) asking.delete(other)
  const cookie = randomUUID()
  asking.set(cookie, a)
  answer.appendHeader('Set-Cookie', `${id}-asking=${cookie}; Path=/; HttpOnly; SameSite=Lax`)
  const to = client.buildAuthorizationUrl(config, {
    redirect_uri: `${url}/callback`,
    scope: ['openid', ...scopes].join(' '),
    state: a.state,
    nonce: a.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(a.verifier),
    code_challenge_method: 'S256',
    ...params,
  })
  redirect(answer, to.href)
}

// callback is where the browser comes back to from Pager.
async function callback(visit) {
  const { cookies, query, answer, at } = visit
  const a = asking.get(cookies[`${id}-asking`])
  asking.delete(cookies[`${id}-asking`])
  if (!a || Date.now() - a.since > askingFor || query.get('state') !== a.state || query.get('iss') !== issuer)
    return show(visit, 400, 'This was not begun here, or too long ago.')
  const before = people.get(a.confirms)
  people.delete(a.confirms) // who was signed in begins anew, or is so no more
  if (query.get('error') === 'login_required') return show(visit, 200, 'Pager says that you are not signed in there any more. So you are not here.')
  if (query.has('error')) return show(visit, 200, `You are not signed in: Pager says ${query.get('error')}.`)
  let person
  try {
    person = await learn(at, a)
    if (before && before.claims.sub !== person.claims.sub) throw new Error('asked about one user, the server answered about another')
  } catch (cause) {
    console.error('signing in failed', cause.code ?? cause.message) // and not what was sent
    return show(visit, 502, 'You are not signed in. Try again later.')
  }
  people.delete(cookies[id])
  const cookie = randomUUID() // another than before signing in, so that nobody can have set it
  people.set(cookie, person)
  answer.appendHeader('Set-Cookie', `${id}=${cookie}; Path=/; HttpOnly; SameSite=Lax`)
  redirect(answer, '/')
}

// learn redeems the code. The library verifies the ID token, and UserInfo against it.
async function learn(at, a) {
  const checks = { pkceCodeVerifier: a.verifier, expectedState: a.state, expectedNonce: a.nonce, idTokenExpected: true }
  const said = await client.authorizationCodeGrant(config, at, checks)
  const claims = said.claims()
  const info = await client.fetchUserInfo(config, said.access_token, claims.sub)
  return { claims, info, hint: said.id_token }
}

// signedOut is where Pager tells that a user has signed out there: no browser is here, and no
// cookie. openid-client leaves that to jose (OpenID Connect Back-Channel Logout §2.6).
async function signedOut({ form, answer }) {
  try {
    const { payload: told } = await jwtVerify(form.get('logout_token') ?? '', keys, {
      issuer, audience: id, algorithms: [algorithm], typ: 'logout+jwt', maxTokenAge: 300, requiredClaims: ['jti', 'iat', 'exp'],
    })
    const event = told.events?.['http://schemas.openid.net/event/backchannel-logout']
    if (typeof event !== 'object' || 'nonce' in told || !(told.sub || told.sid)) throw new Error('it is no logout token')
    for (const [jti, until] of tokens) if (until < Date.now()) tokens.delete(jti)
    if (tokens.has(told.jti)) throw new Error('it has come before')
    tokens.set(told.jti, told.exp * 1000)
    for (const [cookie, { claims }] of people)
      if ((!told.sub || claims.sub === told.sub) && (!told.sid || claims.sid === told.sid)) people.delete(cookie)
    answer.writeHead(200).end()
  } catch (cause) {
    answer.writeHead(400).end()
  }
}

// signOut ends the session here and goes to Pager, which ends its own and tells the other sites.
function signOut({ cookies, answer }) {
  const person = people.get(cookies[id])
  if (!person) return redirect(answer, '/')
  people.delete(cookies[id])
  redirect(answer, `${end_session_endpoint}?${new URLSearchParams({ id_token_hint: person.hint, post_logout_redirect_uri: `${url}/` })}`)
}

const routes = {
  'GET /': (visit) => show(visit, 200),
  'GET /callback': callback,
  'GET /begin': (visit) => { // where somebody else sends a user who wants to sign in here
    if (visit.query.get('iss') !== issuer) return show(visit, 400, 'This site leaves signing in to Pager, and to nobody else.')
    return ask(visit, undefined, visit.query.get('login_hint') ? { login_hint: visit.query.get('login_hint') } : {})
  },
  'POST /signin': (visit) => ask(visit),
  'POST /confirm': (visit) => { // without any page: is the user still there?
    const person = people.get(visit.cookies[id])
    return person ? ask(visit, visit.cookies[id], { prompt: 'none', id_token_hint: person.hint }) : redirect(visit.answer, '/')
  },
  'POST /signout': signOut,
  'POST /signed-out': signedOut,
}

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
const table = (name, claims) => `<table id="${name}">` + Object.keys(claims).sort()
  .map((claim) => `<tr><th scope="row">${escape(claim)}<td>${escape(JSON.stringify(claims[claim]))}`).join('') + '</table>'
const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8)
const button = (action, text) => `<form method="post" action="${action}"><button>${text}</button></form>`

function show({ cookies, answer }, status, notice) {
  const person = people.get(cookies[id])
  const page = [top]
  if (notice) page.push(`<p role="status" id="notice">${escape(notice)}</p>`)
  if (person) {
    const { claims, info } = person
    page.push(`<p>Hello, <strong id="person">${escape(info.name ?? claims.sub)}</strong>. Signed in at Pager ${clock(claims.auth_time)}, confirmed ${clock(claims.iat)}.</p>`,
      '<h2>Your ID token says</h2>', table('id-token', claims), '<h2>UserInfo says</h2>', table('userinfo', info),
      button('/confirm', 'Ask Pager whether I am still there'), button('/signout', 'Sign out').replace('<button', '<button id="signout"'))
  } else page.push(button('/signin', 'Sign in with Pager'))
  page.push(`<p>Elsewhere: <a href="${escape(issuer)}/">Pager</a></p></html>`)
  answer.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
  }).end(page.join('\n'))
}

function redirect(answer, to) {
  answer.writeHead(303, { Location: to }).end()
}

async function body(request) {
  let text = ''
  for await (const chunk of request) if ((text += chunk).length > 16 << 10) throw new Error('too long')
  return new URLSearchParams(text)
}

const server = createServer(async (request, answer) => {
  try {
    answer.setHeader('Cache-Control', 'no-store')
    const at = new URL(request.url, url)
    const route = routes[`${request.method} ${at.pathname}`]
    if (!route) return answer.writeHead(404).end()
    const cookies = Object.fromEntries((request.headers.cookie ?? '').split('; ').map((pair) => pair.split('=', 2)))
    await route({ at, query: at.searchParams, cookies, answer, form: request.method === 'POST' ? await body(request) : undefined })
  } catch (cause) {
    console.error(cause.message)
    if (!answer.headersSent) answer.writeHead(500)
    answer.end()
  }
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
