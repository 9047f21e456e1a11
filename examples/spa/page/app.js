import { Client } from './oauth.js'

const config = await (await fetch('config.json')).json()
const client = new Client({
  issuer: config.issuer, clientID: 'reader', redirectURI: location.origin + '/', scope: 'articles:read offline_access',
})
const element = (id) => document.getElementById(id)

async function show(status) {
  const tokens = await client.tokens()
  element('connect').hidden = !!tokens
  for (const id of ['read', 'refresh', 'disconnect']) element(id).hidden = !tokens
  if (!tokens) element('articles').replaceChildren()
  element('status').textContent = status ?? (tokens ? `Connected; the token is of type ${tokens.token_type}.` : 'Not connected.')
}

// on has a button do something, and the page say how it went.
function on(id, act) {
  element(id).addEventListener('click', async () => {
    try {
      await show(await act())
    } catch (e) {
      await show(`That did not work: ${e.message}`)
    }
  })
}

on('connect', async () => {
  await client.connect()
  return 'Off to the server …'
})
on('read', async () => {
  const articles = await client.call(config.api)
  element('articles').replaceChildren(
    ...articles.map((title) => Object.assign(document.createElement('li'), { textContent: title })),
  )
  return `${articles.length} articles.`
})
on('refresh', async () => {
  const before = (await client.tokens()).refresh_token
  const after = (await client.refresh()).refresh_token
  return before === after ? 'The refresh token is the same.' : 'New tokens; the old refresh token is used up.'
})
on('disconnect', async () => {
  await client.disconnect()
  return 'Disconnected: the tokens are revoked.'
})

try {
  await client.comeBack()
  await show()
} catch (e) {
  await show(`That did not work: ${e.message}`)
}
