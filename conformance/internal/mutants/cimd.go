package mutants

// documentMutants get client ID metadata documents wrong.
var documentMutants = []Mutant{
	{
		Name: "document-of-another-client", Case: "cimd-client-id-differs",
		Edits: []Edit{{"authz/client_document.go", "if err != nil || said != id {", `if err != nil || said == "" {`}},
	},
	{
		Name: "document-with-a-secret", Case: "cimd-secrets-refused",
		Edits: []Edit{{"authz/client_document.go", `range []string{"client_secret", "client_secret_expires_at"} {`, "range []string{} {"}},
	},
	{
		Name: "document-by-a-redirect", Case: "cimd-redirects-not-followed",
		Edits: []Edit{{"authz/internal/fetch/fetch.go", "return http.ErrUseLastResponse", "return nil"}},
	},
	{
		Name: "document-with-any-status", Case: "cimd-status",
		Edits: []Edit{{"authz/internal/fetch/fetch.go", "case answer.StatusCode != http.StatusOK:", "case answer.StatusCode > 299:"}},
	},
	{
		Name: "document-of-any-size", Case: "cimd-size",
		Edits: []Edit{
			{"authz/client_document.go", "maxDocument = 5 << 10", "maxDocument = 5 << 20"},
			{"authz/client_metadata.go", "len(body) > maxMetadata || ", ""},
		},
	},
	{
		Name: "document-errors-kept", Case: "cimd-errors-not-kept",
		Edits: []Edit{{"authz/client_document.go", "FailedFor: 0,", "FailedFor: time.Hour,"}},
	},
	{
		Name: "document-changes-overlooked", Case: "cimd-change-honoured",
		Edits: []Edit{{"authz/client_document.go", "MinFresh: 0,", "MinFresh: 3 * time.Hour,"}},
	},
	{
		Name: "document-fetched-every-time", Case: "cimd-document-kept",
		Edits: []Edit{{"authz/client_document.go", "MaxFresh: maxDocumentAge,", "MaxFresh: time.Nanosecond,"}},
	},
	{
		Name: "document-at-dot-segments", Case: "cimd-url-syntax",
		Edits: []Edit{{"authz/client_document.go", `if segment == "." || segment == ".." {`, `if segment == "..." {`}},
	},
	{
		Name: "document-at-addresses", Case: "cimd-special-addresses",
		Edits: []Edit{{"authz/client_document.go", `case notIP == nil || numeric(host) || `, `case notIP == nil && host == "" || `}},
	},
	{
		Name: "document-keys-not-asked-for", Case: "cimd-private-key-jwt",
		Edits: []Edit{{"authz/client_document.go", `case authNone, "private_key_jwt":`, "case authNone, \"private_key_jwt\":\n\t\t\tc.TokenEndpointAuthMethod = authNone"}},
	},
	{
		Name: "document-of-a-hidden-host", Case: "cimd-page-shows-host",
		Edits: []Edit{{"handlers/consent_page.go", "firstNonEmpty(prompt.ClientIDHost, hostOf(prompt.Client.URI))", "hostOf(prompt.Client.URI)"}},
	},
}
