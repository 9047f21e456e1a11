// Package interop runs clients that others have written, unmodified, against the server:
// npm's oauth4webapi, openid-client and oidc-client-ts (in Chromium), both releases of MCP's
// SDK for JavaScript (@modelcontextprotocol/sdk and @modelcontextprotocol/client),
// golang.org/x/oauth2, and coreos/go-oidc; with and without OpenID Connect, those that know it;
// Python's Authlib; and Debian's mod_auth_openidc in an Apache, with Chromium before it.
//
// It also runs MCP's conformance suite (@modelcontextprotocol/conformance): every scenario for
// an authorization server, and those for a server of MCP that the notebook of examples/mcp has
// the tools for.
//
// Versions are pinned in package.json, requirements.txt and go.mod, but for Apache, which is the
// machine's. What is written in JavaScript needs Node.js 20 or later and npm, what is in Python
// its venv, and Apache the package libapache2-mod-auth-openidc; without them their tests skip.
package interop
