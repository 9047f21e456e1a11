package mutants

// tokenMutants get the token endpoint, and the authentication of clients, wrong.
var tokenMutants = []Mutant{
	{
		Name: "token-parameters-repeated", Case: "token-repeated-parameter",
		Edits: []Edit{{"authz/parameters.go", `if len(values) > 1 && name != "resource" &&`, `if len(values) > 9 && name != "resource" &&`}},
	},
	{
		Name: "token-parameters-in-query", Case: "token-query-parameters-refused",
		Edits: []Edit{
			{"handlers/form.go", `if r.URL.RawQuery != "" {`, `if len(r.URL.RawQuery) > maxBody {`},
			{"handlers/form.go", "return e.decode(r, body)", `return e.decode(r, body+"&"+r.URL.RawQuery)`},
		},
	},
	{
		Name: "token-response-cacheable", Case: "token-response-form",
		Edits: []Edit{{"handlers/endpoint.go", `[]string{"no-store"} `, `[]string{"private"} `}},
	},
	{
		Name: "token-grants-for-everybody", Case: "token-grant-not-allowed",
		Edits: []Edit{{"authz/token.go", "if !slices.Contains(grantTypesOf(client), grantType) {", "if len(grantTypesOf(client)) == 0 {"}},
	},
	{
		Name: "token-own-tokens-for-public-clients", Case: "token-client-credentials-public-refused",
		Edits: []Edit{
			{"authz/token.go", "if !slices.Contains(grantTypesOf(client), grantType) {", "if len(grantTypesOf(client)) == 0 {"},
			{"authz/token.go", "if public(p.client) {", `if public(p.client) && p.code != "" {`},
		},
	},
	{
		Name: "clientauth-secret-not-compared", Case: "clientauth-wrong-secret",
		Edits: []Edit{{"authz/client_auth.go", "case !right:", `case !right && p.secret == "":`}},
	},
	{
		Name: "clientauth-without-challenge", Case: "clientauth-wrong-secret",
		Edits: []Edit{{"handlers/errors.go", "if refused.Code == invalidClient && refused.Status == http.StatusUnauthorized {", `if refused.Code == "" {`}},
	},
	{
		Name: "clientauth-any-method", Case: "clientauth-registered-method",
		Edits: []Edit{{"authz/client_auth.go", "if !slices.Contains(authMethodsOf(client), p.method) {", "if !slices.Contains(authMethodsOf(client), p.method) && p.method == authNone {"}},
	},
	{
		Name: "clientauth-nobody-need-authenticate", Case: "code-confidential-client-authenticates",
		Edits: []Edit{{"authz/client_auth.go", "if !slices.Contains(authMethodsOf(client), p.method) {", "if !slices.Contains(authMethodsOf(client), p.method) && p.method != authNone {"}},
	},
	{
		Name: "clientauth-two-ways-at-once", Case: "clientauth-two-methods",
		Edits: []Edit{{"authz/client_auth.go", `case bodySecret != "":`, `case bodySecret != "" && bodySecret != secret:`}},
	},
	{
		Name: "clientauth-basic-not-decoded", Case: "clientauth-basic-form-encoded",
		Edits: []Edit{
			{"authz/client_auth.go", "id, err1 := url.QueryUnescape(id)\n", "_, err1 := url.QueryUnescape(id)\n"},
			{"authz/client_auth.go", "secret, err2 := url.QueryUnescape(secret)\n", "_, err2 := url.QueryUnescape(secret)\n"},
		},
	},
	{
		Name: "clientauth-store-down-is-a-wrong-secret", Case: "clientauth-store-down",
		Edits: []Edit{{"authz/client_auth.go", "return nil, unavailable(storeErr)", `return nil, badClient("client_unknown")`}},
	},
	{
		Name: "clientauth-disabled-clients-go-on", Case: "clientauth-disabled-client",
		Edits: []Edit{{"authz/client.go", "if c.Disabled || !c.ExpiresAt.IsZero()", "if !c.ExpiresAt.IsZero()"}},
	},
	{
		Name: "error-repeats-the-request", Case: "always-error-charset", With: "token-scope-malformed",
		Edits: []Edit{
			{"authz/scope.go", `"The scope parameter is malformed."`, `"The scope "+param+" is malformed."`},
			{"authz/error.go", "if !sendable(out.Description) {", `if out.Description == "" {`},
		},
	},
	{
		Name: "error-with-any-status", Case: "always-error-status", With: "pkce-wrong-verifier",
		Edits: []Edit{{"authz/error.go", "case invalidClient, invalidBearer:", "case invalidClient, invalidBearer, invalidGrant:"}},
	},
	{
		Name: "error-is-the-servers-own", Case: "always-an-answer", With: "token-hostile-values",
		Edits: []Edit{{"authz/parameters.go", `failed(invalidRequest, "parameter_not_text", "A request parameter is not valid UTF-8 text.")`, `failed(serverError, "parameter_not_text", "A request parameter is not valid UTF-8 text.")`}},
	},
	{
		Name: "answers-without-their-type", Case: "always-json-labelled", With: "token-get-refused",
		Edits: []Edit{{"handlers/endpoint.go", `[]string{"application/json"}`, `[]string{"text/plain"}`}},
	},
}
