// Package interop runs clients that others have written, unmodified, against the server:
// npm's oauth4webapi, openid-client and oidc-client-ts (in Chromium), both releases of MCP's
// SDK for JavaScript (@modelcontextprotocol/sdk and @modelcontextprotocol/client),
// golang.org/x/oauth2, and coreos/go-oidc; with and without OpenID Connect, those that know it.
// It also runs MCP's conformance suite (@modelcontextprotocol/conformance):
// every scenario for an authorization server, and those for a server of MCP that the notebook
// of examples/mcp has the tools for. Their versions are pinned in package.json and go.mod. What
// is written in JavaScript needs Node.js 20 or later and npm; without them its tests skip.
package interop
