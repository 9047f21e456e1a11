package mutants

// registrationMutants get wrong what clients register of themselves.
var registrationMutants = []Mutant{
	{
		Name: "registration-takes-script-urls", Case: "dcr-redirect-uri-refused",
		Edits: []Edit{{"authz/redirect_uri.go", `case !strings.Contains(u.Scheme, "."):`, `case u.Scheme == "":`}},
	},
	{
		Name: "registration-takes-plain-http", Case: "dcr-redirect-uri-refused",
		Edits: []Edit{{"authz/redirect_uri.go", "if !loopbackHost(u.Hostname()) {", `if u.Hostname() == "" {`}},
	},
	{
		Name: "registration-takes-two-key-sets", Case: "dcr-jwks-and-jwks-uri-refused",
		Edits: []Edit{{"authz/client_metadata.go", `case there && where != "":`, `case there && where == "both":`}},
	},
	{
		Name: "registration-token-opens-all-clients", Case: "dcm-token-required",
		Edits: []Edit{{"authz/registration_management.go", "\t\t\tif s.tokenFits(ctx, digest, token) {\n\t\t\t\treturn cloneClient", "\t\t\tif s.tokenFits(ctx, digest, token) || strings.HasPrefix(token, registrationTokenPrefix) {\n\t\t\t\treturn cloneClient"}},
	},
	{
		Name: "registration-updated-by-any-name", Case: "dcm-update-of-another",
		Edits: []Edit{{"authz/registration_management.go", "if id != previous.ID {", `if id == "" {`}},
	},
	{
		Name: "registration-secret-chosen", Case: "dcm-update-secret-not-chosen",
		Edits: []Edit{{"authz/registration_management.go", "case !right:", "case !right && previous == nil:"}},
	},
	{
		Name: "registration-token-lives-on", Case: "dcm-token-rotated",
		Edits: []Edit{{"authz/registration_management.go", "client.RegistrationAccessToken = newest // the successor has arrived", "client.Revision += 0"}},
	},
	{
		Name: "registration-unknown-client-tells", Case: "dcm-unknown-client",
		Edits: []Edit{{"authz/registration_management.go", "\tif client != nil {\n\t\tfor digest", "\tif client == nil {\n\t\te := badRegistrationToken()\n\t\te.Status = 404\n\t\treturn nil, \"\", e\n\t}\n\tif client != nil {\n\t\tfor digest"}},
	},
	{
		Name: "registration-not-deleted", Case: "dcm-delete",
		Edits: []Edit{{"authz/registration_management.go", "if err := s.config.Storage.DeleteClient(ctx, client.ID); err != nil && !errors.Is", "if err := error(nil); err != nil && !errors.Is"}},
	},
	{
		Name: "registration-names-turn-text-around", Case: "dcr-name-cannot-turn-text-around",
		Edits: []Edit{
			{"handlers/text.go", "case invisible(r):", "case invisible(r) && r < 0x20:"},
		},
	},
}
