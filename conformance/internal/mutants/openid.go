package mutants

// openIDMutants get OpenID Connect wrong: what ID tokens say, whom a request means, what a
// user is asked.
var openIDMutants = []Mutant{
	{
		Name: "nonce-in-lower-case", Case: "idtoken-nonce-exact",
		Edits: []Edit{{"authz/id_token.go", `claims["nonce"] = issued.Nonce`, `claims["nonce"] = strings.ToLower(issued.Nonce)`}},
	},
	{
		Name: "at-hash-of-something-else", Case: "idtoken-at-hash",
		Edits: []Edit{{"authz/id_token.go", `halfHash(algorithm, issued.AccessToken)`, `halfHash(algorithm, issued.AccessToken+".")`}},
	},
	{
		Name: "c-hash-of-something-else", Case: "hybrid-c-hash",
		Edits: []Edit{{"authz/id_token.go", `halfHash(algorithm, p.code)`, `halfHash(algorithm, p.code+".")`}},
	},
	{
		Name: "id-token-of-one-algorithm", Case: "idtoken-registered-algorithm",
		Edits: []Edit{{"authz/id_token.go", `case client.IDTokenSignedResponseAlg != "":`, `case client.IDTokenSignedResponseAlg != "" && false:`}},
	},
	{
		Name: "id-token-without-openid", Case: "idtoken-needs-openid",
		Edits: []Edit{{"authz/id_token.go", `!p.config.openID() || !slices.Contains(issued.Scopes, openID)`, `!p.config.openID()`}},
	},
	{
		Name: "id-token-for-others-too", Case: "idtoken-one-audience",
		Edits: []Edit{{"authz/id_token.go", `p.config.Issuer, subject, p.client.ID`, `p.config.Issuer, subject, []string{p.client.ID, p.config.Issuer}`}},
	},
	{
		Name: "id-token-in-clear", Case: "idtoken-encrypted",
		Edits: []Edit{{"authz/id_token.go", `issued.IDToken, refused = p.encrypted(ctx, p.client, p.client.IDTokenEncryptedResponseAlg,`,
			`issued.IDToken, refused = p.encrypted(ctx, p.client, "",`}},
	},
	{
		Name: "hint-of-another-client", Case: "hint-other-client",
		Edits: []Edit{{"authz/id_token.go", `said.Subject == "" || said.Audience.values[0] != a.client.ID`, `said.Subject == ""`}},
	},
	{
		Name: "hint-not-compared", Case: "hint-other-user",
		Edits: []Edit{
			{"authz/id_token.go", `case !a.expects(u):`, `case !a.expects(u) && false:`},
			{"authz/authentication.go", `slices.Contains(a.wanted.ACRValues, u.ACR)) && a.expects(u))`, `slices.Contains(a.wanted.ACRValues, u.ACR)))`},
		},
	},
	{
		Name: "hint-not-verified", Case: "hint-forged",
		Edits: []Edit{{"authz/id_token.go", "\tcase errors.Is(err, keyring.ErrInvalid):\n\t\treturn said, nil\n",
			"\tcase errors.Is(err, keyring.ErrInvalid) && strings.Count(token, \".\") != 2:\n\t\treturn said, nil\n" +
				"\tcase errors.Is(err, keyring.ErrInvalid):\n\t\tpayload, _ = base64.RawURLEncoding.DecodeString(strings.Split(token, \".\")[1])\n"}},
	},
	{
		Name: "silence-is-consent", Case: "prompt-none-no-consent",
		Edits: []Edit{{"authz/consent.go", `return a.refuse(ctx, failed(consentRequired, "consent_required", "The user has to be asked for consent."), user.Subject), nil`,
			`return a.issue(ctx, user, a.scopes, nil)`}},
	},
	{
		Name: "prompt-login-ignored", Case: "prompt-login",
		Edits: []Edit{{"authz/authentication.go", `if slices.Contains(a.wanted.Prompt, "login") {`, `if slices.Contains(a.wanted.Prompt, "login") && false {`}},
	},
	{
		Name: "old-sign-in-suffices", Case: "max-age-passed",
		Edits: []Edit{{"authz/authentication.go", `return a.wanted.Since.IsZero() || u.AuthTime.Unix() >= a.wanted.Since.Unix()`, `return true || u == nil`}},
	},
	{
		Name: "essential-acr-is-a-wish", Case: "acr-essential-unmet",
		Edits: []Edit{{"authz/id_token.go", `a.claims.IDToken["acr"].Essential && `, `a.claims.IDToken["acr"].Essential && false && `}},
	},
	{
		Name: "implicit-without-nonce", Case: "implicit-nonce-required",
		Edits: []Edit{{"authz/response_type.go", `case a.nonce() == "":`, `case a.nonce() == "" && false:`}},
	},
	{
		Name: "id-token-in-the-query", Case: "implicit-no-query",
		Edits: []Edit{{"authz/authorization_response.go", `if !secret {`, `if a.fragment = false; true {`}},
	},
	{
		Name: "userinfo-for-every-token", Case: "userinfo-without-openid",
		Edits: []Edit{
			{"handlers/userinfo.go", `guard, "openid")(`, `guard)(`},
			{"authz/userinfo.go", `grant == nil || !slices.Contains(token.Scopes, openID):`, `grant == nil:`},
		},
	},
	{
		Name: "userinfo-token-from-query", Case: "userinfo-token-in-query",
		Edits: []Edit{{"handlers/userinfo.go", `if r.Method != http.MethodPost || !formEncoded(r.Header) {`,
			`if token := r.URL.Query().Get("access_token"); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
		r.URL.RawQuery = ""
	}
	if r.Method != http.MethodPost || !formEncoded(r.Header) {`}},
	},
	{
		Name: "userinfo-without-challenge", Case: "userinfo-of-a-client",
		Edits: []Edit{{"handlers/errors.go", `|| refused.Code == insufficientScope {`, `|| refused.Code == insufficientScope && false {`}},
	},
	{
		Name: "userinfo-tells-the-public-subject", Case: "pairwise-everywhere",
		Edits: []Edit{{"authz/userinfo.go", `claims["sub"], refused = s.subjectFor(client, token.Subject)`, `claims["sub"], refused = token.Subject, nil`}},
	},
	{
		Name: "pairwise-without-a-sector", Case: "pairwise-by-sector",
		Edits: []Edit{{"authz/pairwise.go", `"grantor pairwise subject\x00" + sector + "\x00"`, `"grantor pairwise subject\x00" + sector[:0] + "\x00"`}},
	},
}
