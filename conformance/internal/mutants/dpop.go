package mutants

// dpopMutants get proofs of possession wrong, and access tokens.
var dpopMutants = []Mutant{
	{
		Name: "proof-for-another-url", Case: "dpop-proof-claims",
		Edits: []Edit{{"authz/resource/dpop/proof.go", `case !slices.ContainsFunc(e.URLs, func(u string) bool { return sameTarget(c.URL, u) }):`, `case false:`}},
	},
	{
		Name: "proof-used-again", Case: "dpop-replayed",
		Edits: []Edit{{"authz/dpop.go", `w.Codes = append(w.Codes, usedProof(p.proof, p.at))`, `_ = w`}},
	},
	{
		Name: "proof-of-any-age", Case: "dpop-proof-age",
		Edits: []Edit{{"authz/resource/dpop/proof.go", `case !e.Now.Before(p.ExpiresAt):`, `case false:`}},
	},
	{
		Name: "proof-of-any-type", Case: "dpop-proof-form",
		Edits: []Edit{{"authz/resource/dpop/proof.go", `if !strings.EqualFold(h.Type, "dpop+jwt") {`, `if false {`}},
	},
	{
		Name: "proof-for-another-token", Case: "dpop-resource-proof",
		Edits: []Edit{{"authz/resource/dpop/proof.go", `case e.AccessToken != "" && !isHash(c.TokenSum, e.AccessToken):`, `case false:`}},
	},
	{
		Name: "proof-by-any-key", Case: "dpop-resource",
		Edits: []Edit{{"handlers/protect/dpop.go", `if !boundTo(verified, proof.JKT) {`, `if false {`}},
	},
	{
		Name: "bound-token-as-bearer", Case: "dpop-downgraded",
		Edits: []Edit{{"handlers/protect/certificate.go", `if !proven { // otherwise prove compares the two`, `if false {`}},
	},
	{
		Name: "code-bound-to-nothing", Case: "dpop-code-key",
		Edits: []Edit{{"authz/dpop.go", "	if a.config.DPoP {\n		c.Key =", "	if a.config.FAPI2 {\n		c.Key ="}},
	},
	{
		Name: "refresh-bound-to-nothing", Case: "dpop-refresh-public",
		Edits: []Edit{{"authz/confirmation.go", `	if r.Public {`, `	if false {`}},
	},
	{
		Name: "any-nonce", Case: "dpop-nonce", Profile: "strict",
		Edits: []Edit{{"authz/resource/dpop/nonce.go", `	raw, err := base64.RawURLEncoding.DecodeString(nonce)`, "	if len(nonce) > 8 {\n\t\treturn n.now().Add(time.Minute), nil\n\t}\n\traw, err := base64.RawURLEncoding.DecodeString(nonce)"}},
	},
	{
		Name: "nonce-for-good", Case: "dpop-nonce-old", Profile: "strict",
		Edits: []Edit{{"authz/resource/dpop/nonce.go", `if period < current-1 || period > current+1 {`, `if period > current+1 {`}},
	},
	{
		Name: "access-token-typed-jwt", Case: "access-token-claims",
		Edits: []Edit{{"authz/access_token.go", `const accessTokenType = "at+jwt"`, `const accessTokenType = "JWT"`}},
	},
	{
		Name: "access-token-for-any-resource", Case: "access-token-audience",
		Edits: []Edit{{"handlers/protect/protect.go", `case !slices.Contains(verified.Audience, g.options.Audience):`, `case false:`}},
	},
	{
		Name: "access-token-not-verified", Case: "access-token-forged-introspection",
		Edits: []Edit{{"authz/internal/keyring/sign.go", `if err1 != nil || err2 != nil || !k.verifies(compact[:len(header)+1+len(body)], signature) {`, `if err1 != nil || err2 != nil || len(signature) > 1<<20 {`}},
	},
	{
		Name: "access-token-names-repeated", Case: "access-token-unique",
		Edits: []Edit{{"authz/access_token.go", `ID:       rand.Text(),`, `ID:       rand.Text()[:0] + "1",`}},
	},
	{
		Name: "introspection-typed-jwt", Case: "signed-introspection",
		Edits: []Edit{{"authz/introspection_jwt.go", `const introspectionType = "token-introspection+jwt"`, `const introspectionType = "JWT"`}},
	},
}
