package mutants

// metadataMutants publish what is not so, and to whom they should not.
var metadataMutants = []Mutant{
	{
		Name: "metadata-another-issuer", Case: "metadata-issuer-exact",
		Edits: []Edit{{"authz/server.go", "Issuer:                                     s.config.Issuer,", `Issuer: "https://auth.example.com",`}},
	},
	{
		Name: "metadata-password-grant", Case: "metadata-grants-known",
		Edits: []Edit{{"authz/server.go", "s.config.registrableGrantTypes(),", `append(s.config.registrableGrantTypes(), "password"),`}},
	},
	{
		Name: "metadata-as-text", Case: "metadata-content-type",
		Edits: []Edit{{"handlers/metadata.go", `e.publish(w, r, "application/json", e.as.Metadata())`, `e.publish(w, r, "application/octet-stream+json", e.as.Metadata())`}},
	},
	{
		Name: "jwks-not-cacheable", Case: "jwks-cacheable",
		Edits: []Edit{{"handlers/metadata.go", `publicCache = "public, max-age=300"`, `publicCache = "no-store"`}},
	},
	{
		Name: "cors-for-caches-of-anybody", Case: "cors-origin-in-vary", Profile: "mcp",
		Edits: []Edit{{"handlers/cors.go", "vary(w.Header()) // even without an Origin, for caches\n", "\n"}},
	},
	{
		Name: "cors-with-cookies", Case: "cors-no-cookies-for-strangers",
		Edits: []Edit{{"handlers/cors.go", `w.Header().Set("Access-Control-Allow-Origin", "*")`, `w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin")); w.Header().Set("Access-Control-Allow-Credentials", "true")`}},
	},
	{
		Name: "cors-at-authorization", Case: "cors-authorization-endpoint-closed",
		Edits: []Edit{{"handlers/mount.go", "Authorization(as, options...),\n\t\tconsentPath", "forAnyOrigin(Authorization(as, options...)),\n\t\tconsentPath"}},
	},
}
