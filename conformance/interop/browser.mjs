// What a browser does whose user is signed in and has nothing to decide: it follows the
// authorization request to the redirect that goes back to the client.
export async function authorize(url) {
  const answer = await fetch(url, { redirect: 'manual' })
  if (answer.status !== 303) {
    throw new Error(`the authorization endpoint answers ${answer.status}: ${(await answer.text()).slice(0, 500)}`)
  }
  return new URL(answer.headers.get('location'))
}

// What every script is told about the server, and about the clients it knows.
export const issuer = process.env.ISSUER
export const redirectURI = 'https://client.example/callback'
export const secret = process.env.CLIENT_SECRET
export const resource = process.env.RESOURCE
export const other = process.env.OTHER_RESOURCE

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
