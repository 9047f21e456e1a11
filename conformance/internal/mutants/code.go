package mutants

// codeMutants get the authorization code and PKCE wrong.
var codeMutants = []Mutant{
	{
		Name: "pkce-method-not-checked", Case: "pkce-plain-refused",
		Edits: []Edit{
			{"authz/pkce.go", `case method != "S256":`, `case method != "S256" && method != "plain":`},
			{"authz/internal/engine/engine.go", "EnforcePKCEForPublicClients: true,", "EnforcePKCEForPublicClients: true, EnablePKCEPlainChallengeMethod: true,"},
		},
	},
	{
		Name: "pkce-challenge-optional", Case: "pkce-public-client-without-challenge",
		Edits: []Edit{
			{"authz/pkce.go", `case challenge == "" && method == "" && a.mayOmitChallenge():`, `case challenge == "" && method == "":`},
			{"authz/internal/engine/engine.go", "!config.OptionalPKCE,", "false,"},
			{"authz/internal/engine/engine.go", "EnforcePKCEForPublicClients: true,", "EnforcePKCEForPublicClients: false,"},
		},
	},
}
