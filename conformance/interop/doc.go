// Package interop runs clients that others have written, unmodified, against the server:
// npm's oauth4webapi, openid-client and oidc-client-ts (in Chromium), and golang.org/x/oauth2. Their versions are pinned
// in package.json and go.mod. What is written in JavaScript needs Node.js 20 or later and
// npm; without them its tests skip.
package interop
