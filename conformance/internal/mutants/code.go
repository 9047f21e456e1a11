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
	{
		Name: "pkce-verifier-not-compared", Case: "pkce-wrong-verifier",
		Edits: []Edit{
			{"authz/internal/engine/store.go", `"code_challenge": {code.CodeChallenge}, "code_challenge_method": {"S256"}`, `"code_challenge": {u.token.Parameters.Get("code_verifier")}, "code_challenge_method": {"plain"}`},
			{"authz/internal/engine/engine.go", "EnforcePKCEForPublicClients: true,", "EnforcePKCEForPublicClients: true, EnablePKCEPlainChallengeMethod: true,"},
		},
	},
	{
		Name: "pkce-verifier-without-challenge", Case: "pkce-verifier-without-challenge",
		Edits: []Edit{{"authz/internal/engine/store.go", `return u.refuse("code_verifier_unexpected")`, `u.token.Parameters.Del("code_verifier")`}},
	},
	{
		Name: "pkce-challenge-of-any-form", Case: "pkce-challenge-form",
		Edits: []Edit{{"authz/pkce.go", `err != nil || len(b) != 32`, `err != nil && len(b) > 64`}},
	},
	{
		// What a store does that reads, and then writes, without looking again.
		Name: "code-used-up-without-looking-again", Case: "code-race",
		Edits: []Edit{
			{"storage/memory/write.go", "if !c.ConsumedAt.IsZero() || usedCodes[d] {", "if usedCodes[d] {"},
			{"storage/memory/write.go", commitBegins, commitBegins + commitDawdles},
		},
	},
	{
		Name: "code-replay-without-consequences", Case: "code-replay-revokes",
		Edits: []Edit{{"authz/internal/engine/store.go", "u.write.Revoke = append(u.write.Revoke, storage.Revocation{GrantID: code.GrantID, Reason: ReasonCodeReplayed})\n", "\n"}},
	},
	{
		Name: "code-used-more-than-once", Case: "code-replay-refused",
		Edits: []Edit{
			{"authz/internal/engine/store.go", "case !code.ConsumedAt.IsZero():", "case !code.ConsumedAt.IsZero() && code.Nonce == \"never\":"},
			{"storage/memory/write.go", "if !c.ConsumedAt.IsZero() || usedCodes[d] {", "if usedCodes[d] {"},
		},
	},
	{
		Name: "code-of-any-client", Case: "code-other-client-refused",
		Edits: []Edit{{"authz/internal/engine/store.go", "case code.ClientID != u.client.ID:", "case code.ClientID == \"\":"}},
	},
	{
		// The judgement comes too late: the stranger has used the code up.
		Name: "code-burnt-by-strangers", Case: "code-survives-stranger",
		Edits: []Edit{{"authz/internal/engine/store.go", "case code.ClientID != u.client.ID:\n", "case code.ClientID != u.client.ID:\n\t\tu.write.Revoke = append(u.write.Revoke, storage.Revocation{GrantID: code.GrantID, Reason: ReasonCodeReplayed})\n"}},
	},
	{
		Name: "code-redirect-uri-not-compared", Case: "code-redirect-uri-checked",
		Edits: []Edit{{"authz/internal/engine/store.go", "if !code.RedirectURIOmitted {", "if code.RedirectURIOmitted {"}},
	},
	{
		Name: "code-redirect-uri-kept-after-withdrawal", Case: "code-redirect-uri-withdrawn",
		Edits: []Edit{{"authz/token.go", "_, err := matchRedirectURI(p.client, redirectURI)\n\treturn err == nil", "return redirectURI != \"\""}},
	},
	{
		Name: "code-without-end", Case: "code-expires",
		Edits: []Edit{
			{"authz/internal/engine/store.go", "case !u.at.Before(code.ExpiresAt):", "case u.at.IsZero():"},
			{"storage/memory/write.go", "if !ok || !live(w.At, c.ExpiresAt) {", "if !ok || c.ExpiresAt.IsZero() {"},
		},
	},
}

// A store that takes its time, as one on a disk or behind a network does.
const (
	commitBegins  = "func (s *Store) Commit(ctx context.Context, w storage.Write) error {\n"
	commitDawdles = "\ttime.Sleep(2 * time.Millisecond)\n"
)
