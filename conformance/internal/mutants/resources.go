package mutants

// resourceMutants get wrong what tokens are for, and what a resource asks for.
var resourceMutants = []Mutant{
	{
		Name: "resource-unknown-overlooked", Case: "resource-unknown-refused",
		Edits: []Edit{{"authz/resource_indicator.go", "if !known || len(client.Resources) > 0 &&", "if !known {\n\t\t\tcontinue\n\t\t}\n\t\tif len(client.Resources) > 0 &&"}},
	},
	{
		Name: "resource-beyond-the-grant", Case: "resource-not-authorized-refused",
		Edits: []Edit{{"authz/resource_indicator.go", "if !slices.Contains(granted, identifier) {", `if !slices.Contains(granted, identifier) && identifier == "" {`}},
	},
	{
		Name: "resource-all-that-was-granted", Case: "resource-subset-at-token",
		Edits: []Edit{{"authz/resource_indicator.go", "\tif named != nil {\n\t\treturn named, nil\n\t}\n\t// What has gone", "\tif named != nil {\n\t\treturn granted, nil\n\t}\n\t// What has gone"}},
	},
	{
		Name: "resource-takes-tokens-for-others", Case: "resource-token-elsewhere-refused",
		Edits: []Edit{
			{"handlers/protect/protect.go", "case !slices.Contains(verified.Audience, g.options.Audience):", "case len(verified.Audience) == 0:"},
			{"authz/resource/claims.go", "if !slices.Contains(c.Audience, audience) {", "if len(c.Audience) == 0 && !slices.Contains(c.Audience, audience) {"},
		},
	},
	{
		Name: "step-up-not-asked-for", Case: "stepup-own-token-refused",
		Edits: []Edit{{"handlers/protect/protect.go", "case !g.authenticated(verified):", "case !g.authenticated(verified) && verified.HasScope(\"\"):"}},
	},
	{
		Name: "authorization-details-not-held-to-the-grant", Case: "rar-token-request-not-widened",
		Edits: []Edit{{"authz/authorization_details.go", "if !covered {", "if !covered && len(asked) == 0 {"}},
	},
	{
		Name: "authorization-details-of-unknown-types-overlooked", Case: "rar-unknown-type-refused",
		Edits: []Edit{{"authz/authorization_details.go", "if !known || !slices.Contains(client.AuthorizationDetailsTypes, asked.Type) {", "if !known {\n\t\t\treturn details[:i], nil\n\t\t}\n\t\tif !slices.Contains(client.AuthorizationDetailsTypes, asked.Type) {"}},
	},
	{
		Name: "resource-metadata-of-another-name", Case: "resource-metadata-place",
		Edits: []Edit{{"handlers/resource_metadata.go", "Resource:             r.Identifier,", `Resource:             strings.TrimSuffix(r.Identifier, "/"),`}},
	},
	{
		Name: "resource-metadata-not-in-challenge", Case: "resource-metadata-named-in-challenge",
		Edits: []Edit{{"handlers/protect/challenge.go", `if g.options.ResourceMetadata != "" {`, `if g.options.ResourceMetadata == "none" {`}},
	},
	{
		Name: "step-up-challenge-empty", Case: "stepup-challenge-and-answer",
		Edits: []Edit{
			{"handlers/protect/challenge.go", "if len(g.options.ACRValues) > 0 {", "if len(g.options.ACRValues) > 9 {"},
			{"handlers/protect/challenge.go", "if g.options.MaxAge > 0 {", "if g.options.MaxAge < 0 {"},
		},
	},
}
