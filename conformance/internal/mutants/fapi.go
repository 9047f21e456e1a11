package mutants

// fapiMutants depart from FAPI 2.0.
var fapiMutants = []Mutant{
	{
		Name: "fapi-front-channel", Case: "fapi-not-pushed", Profile: "fapi2",
		Edits: []Edit{{"authz/pushed_authorization.go", `if a.pushed == nil && (a.config.RequirePushedAuthorizationRequests ||`, `if a.pushed == nil && (false ||`}},
	},
	{
		Name: "fapi-audience-among-others", Case: "fapi-assertion-audience", Profile: "fapi2",
		Edits: []Edit{{"authz/client_assertion.go", `return !aud.array && len(aud.values) == 1 && aud.values[0] == s.config.Issuer`, `return slices.Contains(aud.values, s.config.Issuer)`}},
	},
	{
		Name: "fapi-unbound-tokens", Case: "fapi-bound-tokens", Profile: "fapi2",
		Edits: []Edit{{"authz/confirmation.go", `if p.config.RequireBoundAccessTokens && bound == (confirmation{}) {`, `if p.config.RequireBoundAccessTokens && bound == (confirmation{}) && false {`}},
	},
	{
		Name: "fapi-rotation", Case: "fapi-refresh-kept", Profile: "fapi2",
		Edits: []Edit{{"authz/refresh.go", "if s.config.FAPI2 {\n\t\tkeepRefreshToken(issued, presented)", "if s.config.FAPI2 && false {\n\t\tkeepRefreshToken(issued, presented)"}},
	},
	{
		Name: "signing-plain-requests", Case: "signing-unsigned-request", Profile: "fapi2-signing",
		Edits: []Edit{{"authz/request_object.go", `if !a.signed && !pushedBefore && (a.config.RequireSignedRequestObjects ||`, `if !a.signed && !pushedBefore && (false ||`}},
	},
	{
		Name: "signing-without-nbf", Case: "signing-request-claims", Profile: "fapi2-signing",
		Edits: []Edit{{"authz/request_object.go", `if a.config.FAPI2 && c.NotBefore == nil {`, `if a.config.FAPI2 && c.NotBefore == nil && false {`}},
	},
}
