// What a browser does whose user is signed in and has nothing to decide: it follows the
// authorization request to the redirect that goes back to the client.
export async function authorize(url) {
  const answer = await fetch(url, { redirect: 'manual' })
  if (answer.status !== 303) {
    throw new Error(`the authorization endpoint answers ${answer.status}: ${(await answer.text()).slice(0, 500)}`)
  }
  return new URL(answer.headers.get('location'))
}

// post is what such a browser does with a page whose form sends itself to the client: the request
// that the client gets (OAuth 2.0 Form Post Response Mode §2).
export async function post(url) {
  const answer = await fetch(url)
  const html = await answer.text()
  const action = html.match(/<form method="post" action="([^"]*)"/)
  check(answer.status === 200 && action, `the authorization endpoint answers ${answer.status}: ${html.slice(0, 500)}`)
  const body = new URLSearchParams()
  for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) body.append(name, value)
  return new Request(action[1], { method: 'POST', body })
}

// decide is what the user of a device does: opens the page that the device shows, and
// presses one of its buttons (RFC 8628 §3.3).
export async function decide(url, decision) {
  const page = await fetch(url)
  const html = await page.text()
  const action = html.match(/<form method="post" action="([^"]*)"/)
  check(page.status === 200 && action, `the page of the device answers ${page.status}: ${html.slice(0, 500)}`)
  const body = new URLSearchParams({ decision })
  for (const [, name, value] of html.matchAll(/name="(interaction|scope)" value="([^"]*)"/g)) body.append(name, value)
  const cookie = page.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ')
  const done = await fetch(new URL(action[1], url), { method: 'POST', body, headers: { cookie } })
  check(done.status === 200, `deciding answers ${done.status}`)
}

// What every script is told about the server, and about the clients it knows.
export const issuer = process.env.ISSUER
export const redirectURI = 'https://client.example/callback'
export const secret = process.env.CLIENT_SECRET
export const resource = process.env.RESOURCE
export const other = process.env.OTHER_RESOURCE

// key is one that the client signs with, by its algorithm.
export async function key(alg) {
  const { kid, ...jwk } = JSON.parse(process.env.CLIENT_KEYS).keys.find((k) => k.alg === alg)
  const algorithm = {
    ES256: { name: 'ECDSA', namedCurve: 'P-256' },
    PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
    RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  }[alg]
  return { kid, key: await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']) }
}

// encryptions are the clients whose answers are encrypted, and how.
export const encryptions = JSON.parse(process.env.ENCRYPTIONS ?? '[]')

// decryptionKey is the private half of a key that the server may encrypt to.
export async function decryptionKey(name) {
  const { kid, alg, ...jwk } = JSON.parse(process.env.CLIENT_KEYS).keys.find((k) => k.kid === name)
  const [algorithm, use] = alg.startsWith('ECDH') ? [{ name: 'ECDH', namedCurve: 'P-256' }, 'deriveBits'] :
    [{ name: 'RSA-OAEP', hash: alg === 'RSA-OAEP' ? 'SHA-1' : 'SHA-256' }, 'decrypt']
  delete jwk.use
  return { kid, key: await crypto.subtle.importKey('jwk', jwk, algorithm, false, [use]) }
}

// turn puts the server's clock forward, by so many seconds from the right time.
export async function turn(seconds) {
  const answer = await fetch(`${issuer}/clock`, { method: 'POST', body: new URLSearchParams({ seconds }) })
  check(answer.status === 204, `turning the clock answers ${answer.status}`)
}

export function check(condition, what) {
  if (!condition) throw new Error(what)
}

// fails makes sure that something is refused, in this way.
export async function fails(promise, code) {
  try {
    await promise
  } catch (e) {
    const got = e.error ?? e.cause?.error ?? e.code
    check(got === code, `refused with ${got}, not with ${code}: ${e}`)
    return e
  }
  throw new Error(`not refused with ${code}`)
}

// run runs the case that the command line names.
export async function run(cases) {
  const name = process.argv[2]
  if (name === '-list') {
    console.log(Object.keys(cases).join('\n'))
    return
  }
  check(cases[name], `there is no case ${name}`)
  try {
    await cases[name]()
  } catch (e) {
    console.error(e)
    process.exit(1)
  }
}
