package mutants

// assertionMutants get JWTs of clients and of other issuers wrong, and what is fetched for them.
var assertionMutants = []Mutant{
	{
		Name: "assertion-audience-not-checked", Case: "assertion-audience",
		Edits: []Edit{{"authz/client_assertion.go", `if !s.assertionAudience(c.Audience) {`, `if false {`}},
	},
	{
		Name: "assertion-used-again", Case: "assertion-replayed",
		Edits: []Edit{{"authz/client_assertion.go", `return s.markUsed(ctx, client, t, now)`, `return nil`}},
	},
	{
		Name: "assertion-by-anybody", Case: "assertion-issuer-and-subject",
		Edits: []Edit{{"authz/client_assertion.go", `case t.claims.Subject == "" || t.claims.Issuer != t.claims.Subject:`, `case t.claims.Subject == "":`}},
	},
	{
		Name: "assertion-expired", Case: "assertion-life",
		Edits: []Edit{{"authz/foreign_jwt.go", `case !now.Before(c.ExpiresAt.Time):`, `case false:`}},
	},
	{
		Name: "assertion-for-ever", Case: "assertion-far-expiry",
		Edits: []Edit{
			{"authz/foreign_jwt.go", `case c.ExpiresAt.After(latest.Add(most)):`, `case most < 0:`},
			{"authz/client_assertion.go", `t.claims.ExpiresAt.Time, assertionWindow, now)`, `now.Add(time.Minute), assertionWindow, now)`},
		},
	},
	{
		Name: "assertion-beside-another-client-id", Case: "assertion-client-id-of-another",
		Edits: []Edit{{"authz/client_assertion.go", `id != "" && id != t.claims.Subject {`, `id == "nobody" {`}},
	},
	{
		Name: "client-authentication-optional", Case: "assertion-method-registered",
		Edits: []Edit{{"authz/client_auth.go", `if !slices.Contains(authMethodsOf(client), p.method) {`, `if !slices.Contains(authMethodsOf(client), p.method) && p.method != authNone {`}},
	},
	{
		Name: "jwt-unsigned", Case: "jwt-algorithm-none",
		Edits: []Edit{
			{"authz/foreign_jwt.go", `	allowed := make(`, "	if strings.EqualFold(t.algorithm, \"none\") {\n\t\tt.payload = text[1]\n\t\treturn t, decodeStrictly(text[1], &t.claims)\n\t}\n\tallowed := make("},
			{"authz/foreign_jwt.go", `return (t.keyID == "" ||`, `return t.jws == nil || (t.keyID == "" ||`},
			{"authz/client_assertion.go", `if !slices.Contains(s.config.keyAlgs(), t.algorithm) &&`, `if t.jws != nil && !slices.Contains(s.config.keyAlgs(), t.algorithm) &&`},
		},
	},
	{
		Name: "jwt-public-key-as-secret", Case: "jwt-key-confusion",
		Edits: []Edit{
			{"authz/foreign_jwt.go", `	stdjson "encoding/json"`, "\t\"crypto/x509\"\n\tstdjson \"encoding/json\""},
			{"authz/foreign_jwt.go", `	return (t.keyID == "" ||`, "	if der, err := x509.MarshalPKIXPublicKey(key.Key); err == nil && strings.HasPrefix(t.algorithm, \"HS\") {\n\t\treturn t.signedWith(der)\n\t}\n\treturn (t.keyID == \"\" ||"},
			{"authz/client_assertion.go", `if strings.HasPrefix(t.algorithm, "HS") {`, `if strings.HasPrefix(t.algorithm, "none") {`},
		},
	},
	{
		Name: "jwt-brings-its-key", Case: "jwt-keys-in-header",
		Edits: []Edit{{"authz/foreign_jwt.go", `	return (t.keyID == "" ||`, "	if own := t.jws.Signatures[0].Protected.JSONWebKey; own != nil && t.signedWith(own.Key) {\n\t\treturn true\n\t}\n\treturn (t.keyID == \"\" ||"}},
	},
	{
		Name: "jwt-extensions-overlooked", Case: "jwt-malformed",
		Edits: []Edit{{"authz/foreign_jwt.go", `for _, extension := range []string{"crit", "b64"} {`, `for _, extension := range []string{} {`}},
	},
	{
		Name: "jwt-of-an-access-token", Case: "jwt-of-another-type",
		Edits: []Edit{{"authz/client_assertion.go", `if !slices.Contains([]string{"", "jwt", "client-authentication+jwt"}, t.typ) {`, `if !slices.Contains([]string{"", "jwt", "client-authentication+jwt", "at+jwt"}, t.typ) {`}},
	},
	{
		Name: "jwt-grant-for-another-server", Case: "jwt-bearer-claims",
		Edits: []Edit{{"authz/trusted_issuer.go", `case !s.forUs(t.claims.Audience, issuer, exchanged):`, `case false:`}},
	},
	{
		Name: "jwt-grant-by-any-key", Case: "jwt-bearer-signature",
		Edits: []Edit{{"authz/trusted_issuer.go", `case !signed:`, `case !signed && false:`}},
	},
	{
		Name: "jwt-grant-used-again", Case: "jwt-bearer-replayed",
		Edits: []Edit{{"authz/jwt_bearer.go", `Codes: t.used(p.at), Unended`, `Unended`}},
	},
	{
		Name: "fetch-for-each-unknown-kid", Case: "client-keys-not-asked-for-each-time",
		Edits: []Edit{{"authz/client_keys.go", `k.fetched.Refetch(ctx, jwksURI, keysAgain)`, `k.fetched.Refetch(ctx, jwksURI, 0*keysAgain)`}},
	},
	{
		Name: "fetch-from-own-network", Case: "guard-client-keys", Profile: "guarded",
		Edits: []Edit{{"authz/internal/fetch/fetch.go", `dialer := &net.Dialer{Timeout: timeout, Control: guard.Safe}`, "dialer := &net.Dialer{Timeout: timeout}\n\t_ = guard"}, {"authz/internal/fetch/fetch.go", "\t\tTLSHandshakeTimeout:    timeout,\n", "\t\tTLSHandshakeTimeout:    timeout,\n\t\tTLSClientConfig:        &tls.Config{InsecureSkipVerify: true},\n"}, {"authz/internal/fetch/fetch.go", "import (\n", "import (\n\t\"crypto/tls\"\n"}},
	},
	{
		Name: "fetch-follows-redirects", Case: "client-keys-bounded",
		Edits: []Edit{{"authz/internal/fetch/fetch.go", `own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }`, `own.CheckRedirect = nil`}},
	},
}
