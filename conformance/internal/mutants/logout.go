package mutants

// logoutMutants sign the wrong user out, send the browser where it must not go, or do not tell
// clients what they have to know.
var logoutMutants = []Mutant{
	{
		Name: "logout-redirect-by-prefix", Case: "logout-redirect-unregistered",
		Edits: []Edit{{"authz/logout.go", `case !slices.Contains(l.client.PostLogoutRedirectURIs, to):`,
			`case !slices.ContainsFunc(l.client.PostLogoutRedirectURIs, func(uri string) bool { return strings.HasPrefix(to, uri) }):`}},
	},
	{
		Name: "logout-unasked", Case: "logout-without-hint",
		Edits: []Edit{{"authz/logout.go", "if l.subject == \"\" {\n\t\treturn false, nil", "if l.subject == \"\" {\n\t\treturn true, nil"}},
	},
	{
		Name: "logout-by-anybodys-hint", Case: "logout-other-user",
		Edits: []Edit{{"authz/logout.go", `return known == l.subject, refused`, `return refused == nil, refused`}},
	},
	{
		Name: "logout-for-another-client", Case: "logout-two-clients",
		Edits: []Edit{{"authz/logout.go", `case id != named[0]:`, `case id != named[0] && false:`}},
	},
	{
		Name: "logout-agreed-anywhere", Case: "logout-agreed-elsewhere",
		// What the form has is bound to a browser and to a user besides.
		Edits: []Edit{
			{"handlers/logout.go", `if crossSite(r, e.origin) {`, `if crossSite(r, e.origin) && false {`},
			{"authz/consent.go", "case subtle.ConstantTimeCompare(sum[:], state.Browser) != 1:", "case subtle.ConstantTimeCompare(sum[:], state.Browser) > 1:"},
			{"authz/logout.go", "case user.Subject != state.Subject:", `case state.Subject == "":`},
		},
	},
	{
		Name: "logout-token-without-event", Case: "backchannel-logout-token",
		Edits: []Edit{{"authz/backchannel_logout.go", `"events": map[string]any{logoutEvent: struct{}{}},`, `"events": map[string]any{},`}},
	},
	{
		Name: "logout-token-as-id-token", Case: "backchannel-logout-no-hint",
		Edits: []Edit{{"authz/backchannel_logout.go", `logoutTokenType = "logout+jwt"`, `logoutTokenType = "JWT"`}},
	},
	{
		Name: "logout-token-of-no-session", Case: "backchannel-logout-session",
		Edits: []Edit{{"authz/backchannel_logout.go", "if sid != \"\" {\n\t\tclaims[\"sid\"] = sid", "if sid != \"\" {\n\t\tclaims[\"sid\"] = n.SessionID"}},
	},
	{
		Name: "logout-token-with-the-public-subject", Case: "backchannel-logout-pairwise",
		Edits: []Edit{{"authz/backchannel_logout.go", `"sub": subject, "jti"`, `"sub": n.Subject + subject[:0], "jti"`}},
	},
	{
		Name: "logout-tells-one-client", Case: "backchannel-logout-every-client",
		Edits: []Edit{{"authz/session.go", `if c.wantsNotice() {`, `if c.wantsNotice() && len(w.Notices) == 0 {`}},
	},
	{
		Name: "logout-leaves-refresh-tokens", Case: "backchannel-logout-refresh",
		Edits: []Edit{{"authz/session.go", `if !slices.Contains(g.Scopes, offlineAccess) {`, `if !slices.Contains(g.Scopes, offlineAccess) && false {`}},
	},
	{
		Name: "logout-frame-without-session", Case: "frontchannel-logout-frame",
		Edits: []Edit{{"authz/frontchannel_logout.go", `"sid": {sid}}`, `"sid": {sid[:0]}}`}},
	},
	{
		Name: "logout-frame-not-allowed", Case: "frontchannel-logout-frame",
		Edits: []Edit{{"handlers/logout.go", `csp += " " + frame.Origin`, `csp += " " + frame.Origin[:0]`}},
	},
}
