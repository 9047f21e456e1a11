package mutants

// introspectionMutants tell too much of tokens, or what is not so.
var introspectionMutants = []Mutant{
	{
		Name: "introspection-for-public-clients", Case: "introspect-public-client-refused",
		Edits: []Edit{{"authz/introspection.go", "if refused == nil && public(client) {", `if refused == nil && client.ID == "" {`}},
	},
	{
		Name: "introspection-of-others-refresh-tokens", Case: "introspect-refresh-token-by-resource-server",
		Edits: []Edit{{"authz/introspection.go", "record.ClientID != client.ID || !record.RevokedAt", "!record.RevokedAt"}},
	},
	{
		Name: "introspection-of-others-access-tokens", Case: "introspect-other-clients-token",
		Edits: []Edit{{"authz/introspection.go", "return t.ClientID == client.ID", `return t.ClientID != ""`}},
	},
	{
		Name: "introspection-says-why", Case: "introspect-inactive-says-nothing",
		Edits: []Edit{{"authz/introspection.go", `return Introspection{"active": false}`, `return Introspection{"active": false, "reason": "unknown"}`}},
	},
	{
		Name: "introspection-of-used-refresh-tokens", Case: "introspect-used-refresh-token",
		Edits: []Edit{{"authz/introspection.go", "!record.ConsumedAt.IsZero() ||", "record.ExpiresAt.IsZero() ||"}},
	},
	{
		Name: "introspection-after-the-end", Case: "introspect-expired-inactive",
		Edits: []Edit{
			{"authz/verify.go", "if !s.now().Before(t.ExpiresAt) {", "if s.now().IsZero() {"},
			{"authz/verified.go", "&& now.Before(v.until)", "&& !now.IsZero()"},
		},
	},
	{
		Name: "introspection-without-token", Case: "introspect-missing-token",
		Edits: []Edit{{"authz/introspection.go", "if token == \"\" {\n\t\treturn nil, client, missing(\"token\")", "if token == \"\" {\n\t\treturn inactive(), client, nil"}},
	},
}
