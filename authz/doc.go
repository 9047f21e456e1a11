// Package authz is an OAuth 2.1 authorization server that lives inside a Go
// application. The application keeps its users, its sessions and its look; this
// package keeps the protocol.
//
// [New] makes a [Server] of a [Config]: the issuer, a storage backend, and a hook
// that tells who is signed in. Package handlers puts it on the web:
//
//	db, err := bolt.Open("authz.db")
//	as, err := authz.New(authz.Config{
//		Issuer:  "https://app.example.com",
//		Storage: db,
//		Scopes:  authz.Scopes{"alerts:read": "Read your alerts"},
//		Login: func(r *http.Request) (*authz.User, error) {
//			u := session.User(r) // the application's own
//			if u == nil {
//				return nil, authz.RedirectToLogin("/login")
//			}
//			return &authz.User{Subject: u.ID, Name: u.Name, AuthTime: u.SignedInAt}, nil
//		},
//	})
//	handlers.Mount(mux, as)
//
// # Hooks
//
// Every hook is a function in Config, and every one but Login may be left nil.
// Consent decides whether the user is asked, Claims adds claims to access tokens,
// UserClaims tells clients about users who sign in (OpenID Connect, with the scope openid),
// Logout signs them out, UserActive tells who still is a user, IssueRefreshToken is the refresh
// rule, and Events hears what happens. TokenExchange, JWTBearer, BackchannelAuthentication,
// Registration and ClientIDMetadata let in what is off without them.
// [ProfileMCP] and [ProfileStrict] are configurations to begin with.
//
// # Protocol methods
//
// One method of Server is one endpoint: [Server.Authorize], [Server.SubmitConsent],
// [Server.PushAuthorization], [Server.Token], [Server.Introspect] or [Server.IntrospectJWT],
// [Server.Revoke], [Server.AuthorizeDevice], [Server.DevicePage], [Server.AuthenticateBackchannel],
// [Server.Register], [Server.UserInfo], [Server.EndSession], [Server.Metadata], [Server.JWKS]. They take and return
// values, so that a host with another transport can use them. Each fails with an *[Error].
//
// # What the host can do
//
// [Server.RevokeUser], [Server.RevokeSession], [Server.RevokeGrant] and [Server.Disconnect] end
// authorizations; [Server.Consents] lists them; [Server.RegisterClient] adds clients;
// [Server.VerifyAccessToken] checks an access token in the same process;
// [Server.CompleteBackchannelAuthentication] files what a user has said to a client that asked
// them on another device.
package authz
