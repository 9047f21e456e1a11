// MCP's SDK for JavaScript, in both its releases that hosts are built on: 1.x
// (@modelcontextprotocol/sdk) and 2.x (@modelcontextprotocol/client). With -list it says what
// cases there are; otherwise it runs them all, each against a server of its own.
import { check } from './browser.mjs'

const successor = process.env.SDK === '@modelcontextprotocol/client'
const { Client, DpopSession, StreamableHTTPClientTransport, UnauthorizedError } = successor
  ? await import('@modelcontextprotocol/client')
  : Object.assign(
      {},
      await import('@modelcontextprotocol/sdk/client/index.js'),
      await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
      await import('@modelcontextprotocol/sdk/client/auth.js'),
    )

const redirectURI = process.env.NATIVE_URI

// What is at the test's desk: the user, and the clock.
async function desk(server, path, params) {
  const answer = await fetch(`${server.desk}/${path}?${new URLSearchParams(params)}`)
  const text = await answer.text()
  check(answer.ok, `${path}: ${text}`)
  return text && JSON.parse(text)
}

// Provider is what an MCP host has to write for the SDK: it remembers.
class Provider {
  constructor(metadata, remembered = {}) {
    this.clientMetadata = metadata
    this.redirectUrl = metadata.redirect_uris[0]
    Object.assign(this, remembered)
  }
  state() {
    return (this.sentState = crypto.randomUUID())
  }
  clientInformation() {
    return this.information
  }
  saveClientInformation(information) {
    this.information = information
  }
  tokens() {
    return this.held
  }
  saveTokens(tokens) {
    this.held = tokens
  }
  codeVerifier() {
    return this.verifier
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier
  }
  discoveryState() {
    return this.discovered
  }
  saveDiscoveryState(discovered) {
    this.discovered = discovered
  }
  redirectToAuthorization(url) {
    this.url = url
  }
  invalidateCredentials(what) {
    if (what === 'all' || what === 'client') this.information = undefined
    if (what === 'all' || what === 'tokens') this.held = undefined
    if (what === 'all' || what === 'discovery') this.discovered = undefined
  }
}

// Host is an MCP host with one connection, and the user in front of it.
class Host {
  asked = []
  constructor(server, provider) {
    this.server = server
    this.provider = provider
  }
  async connect() {
    this.client = new Client({ name: 'interop', version: '1.0.0' })
    // Once connected, the SDK asks for a stream in the background, and says nothing of it. Were
    // the token to end before that is answered, it would go to the authorization server twice at
    // the same time: for the stream, and for what comes next.
    let answered
    const asked = new Promise((resolve) => (answered = resolve))
    const observed = async (url, init) => {
      const answer = await fetch(url, init)
      if (init?.method === 'GET' && String(url) === this.server.resource) answered()
      return answer
    }
    await this.withUser(() => {
      this.transport = new StreamableHTTPClientTransport(new URL(this.server.resource), {
        authProvider: this.provider,
        fetch: observed,
      })
      return this.client.connect(this.transport)
    })
    await asked
    return this
  }
  // withUser tries, sends the user to the authorization server if that is what it takes, and
  // tries again.
  async withUser(act) {
    try {
      return await act()
    } catch (e) {
      if (!(e instanceof UnauthorizedError)) throw e
    }
    await this.authorize()
    return act()
  }
  async authorize() {
    const { provider, server } = this
    const { resourceMetadata, authorizationServerMetadata } = provider.discovered
    check(resourceMetadata?.resource === server.resource && authorizationServerMetadata?.issuer === server.issuer, 'not discovered')
    const sent = Object.fromEntries(provider.url.searchParams)
    check(sent.code_challenge_method === 'S256' && sent.code_challenge, `no PKCE: ${provider.url}`)
    check(sent.resource === server.resource, `for another resource: ${provider.url}`)
    const { callback, asked } = await desk(server, 'authorize', { url: provider.url.href })
    this.asked.push((asked ?? []).sort().join(' '))
    const back = new URL(callback)
    check(back.href.startsWith(provider.redirectUrl), `back at ${back}`)
    check(back.searchParams.get('state') === provider.sentState, `another state: ${back}`)
    check(back.searchParams.get('iss') === server.issuer, `another iss: ${back}`)
    // 2.x looks at iss itself (RFC 9207).
    await this.transport.finishAuth(successor ? back.searchParams : back.searchParams.get('code'))
  }
  async call(name, args = {}) {
    const result = await this.withUser(() => this.client.callTool({ name, arguments: args }))
    check(!result.isError, JSON.stringify(result))
    return result.structuredContent.notes
  }
  list() {
    return this.call('list_notes')
  }
  add(text) {
    return this.call('add_note', { text })
  }
  // wasAsked says which consent pages the user has seen, by their scopes.
  wasAsked(...pages) {
    check(this.asked.join() === pages.join(), `asked for ${this.asked.join()}, not ${pages.join()}`)
  }
  // tools calls one tool that may only read and one that writes: step-up.
  async tools() {
    check((await this.list()).length === 0, 'there are notes already')
    this.wasAsked(first)
    check((await this.add('milk')).join() === 'milk', 'another note')
    this.wasAsked(first, second)
  }
  // refreshes has the access token expire; the user must not notice.
  async refreshes() {
    const before = this.provider.held
    check(before.refresh_token, 'no refresh token')
    await desk(this.server, 'later', { by: '61m' })
    await this.list()
    const after = this.provider.held
    check(after.access_token !== before.access_token && after.refresh_token !== before.refresh_token, 'not refreshed')
    this.wasAsked(first)
  }
}

const metadata = (more = {}) => ({
  client_name: 'Interop',
  redirect_uris: [redirectURI],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  ...more,
})

// What a client that is to refresh asks for. The challenge names what to ask for, and 1.x adds
// nothing to it.
const [first, second] = successor
  ? ['notes:read offline_access', 'notes:read notes:write offline_access']
  : ['notes:read', 'notes:read notes:write']

const registered = (more) => new Provider(metadata(more))
const open = (server, provider) => new Host(server, provider).connect()

const cases = {
  async preregistered(server) {
    const host = await open(server, new Provider(metadata(), { information: { client_id: 'desk', issuer: server.issuer } }))
    await host.tools()
  },
  async preregistered_with_secret(server) {
    const host = await open(server, new Provider(metadata(), { information: { client_id: 'office', client_secret: server.secret, issuer: server.issuer } }))
    await host.refreshes()
  },
  async metadata_document(server) {
    const host = await open(server, new Provider(metadata(), { clientMetadataUrl: process.env.DOCUMENT }))
    await host.tools()
    check(host.provider.information.client_id === process.env.DOCUMENT, 'another client')
  },
  async registration(server) {
    const host = await open(server, registered())
    await host.tools()
    check(!host.provider.information.client_secret, 'a secret')
  },
  async registration_client_secret_basic(server) {
    const host = await open(server, registered({ token_endpoint_auth_method: 'client_secret_basic' }))
    await host.refreshes()
  },
  async registration_client_secret_post(server) {
    const host = await open(server, registered({ token_endpoint_auth_method: 'client_secret_post' }))
    await host.refreshes()
  },
  // Of a server whose refresh rule asks for no offline_access.
  async refresh_as_registered(server) {
    const host = await open(server, registered())
    await host.refreshes()
  },
  // 1.x tries to get the missing scope by refreshing, which cannot widen a scope (RFC 6749 §6),
  // and gives up (its issue 2255). What helps a host is to forget the refresh token.
  async step_up_with_refresh_token(server) {
    const host = await open(server, registered())
    const { provider } = host
    await host.list()
    if (!successor) {
      const refused = await host.add('milk').then(() => undefined, (e) => e)
      check(refused?.code === 403, `not given up: ${refused}`)
      delete provider.held.refresh_token
      await host.list()
    }
    check((await host.add('milk')).join() === 'milk', 'another note')
    host.wasAsked(first, second)
  },
  // The user has disconnected the client: its refresh is refused, and it starts anew.
  async disconnected(server) {
    const host = await open(server, registered())
    const { held, information, discovered } = host.provider
    const answer = await fetch(discovered.authorizationServerMetadata.revocation_endpoint, {
      method: 'POST',
      body: new URLSearchParams({ client_id: information.client_id, token: held.refresh_token }),
    })
    check(answer.ok, `the revocation endpoint answers ${answer.status}`)
    await host.list()
    host.wasAsked(first, first)
    check(host.provider.information.client_id === information.client_id, 'registered anew')
  },
  // The server does not know the client any more: it registers anew.
  async registration_gone(server) {
    const host = await open(
      server,
      new Provider(metadata(), {
        information: { client_id: 'gone', issuer: server.issuer },
        held: { access_token: 'gone', refresh_token: 'gone', token_type: 'Bearer', issuer: server.issuer },
      }),
    )
    await host.list()
    check(host.provider.information.client_id !== 'gone', 'the same client')
    host.wasAsked(first)
  },
  // What the hosts of MCP register, by the fixtures, and each of their redirect URIs.
  async hosts(server) {
    for (const { registration, use } of JSON.parse(process.env.HOSTS)) {
      for (const redirectUrl of use) {
        const provider = new Provider(registration, { redirectUrl })
        const host = await open(server, provider)
        await host.list()
      }
    }
  },
}

// 1.x knows nothing of DPoP (RFC 9449).
if (successor) {
  const bound = async (server) => {
    const session = await DpopSession.create()
    const host = await open(server, new Provider(metadata(), { dpop: () => session }))
    check(host.provider.held.token_type === 'DPoP', host.provider.held.token_type)
    return host
  }
  cases.dpop = async (server) => (await bound(server)).tools()
  // With nonces it does not matter to the server that the clock of the client is an hour late.
  cases.dpop_nonces = async (server) => {
    const host = await bound(server)
    await host.refreshes()
    check(host.provider.held.token_type === 'DPoP', host.provider.held.token_type)
  }
}

if (process.argv[2] === '-list') {
  console.log(Object.keys(cases).join('\n'))
} else {
  const servers = JSON.parse(process.env.SERVERS)
  for (const [name, act] of Object.entries(cases)) {
    let error
    await act(servers[name]).catch((e) => (error = e.stack ?? String(e)))
    console.log(JSON.stringify({ case: name, error }))
  }
}
