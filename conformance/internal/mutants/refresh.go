package mutants

// refreshMutants get refresh tokens and their revocation wrong.
var refreshMutants = []Mutant{
	{
		Name: "refresh-grace-without-end", Case: "refresh-reuse-refused",
		Edits: []Edit{{"authz/refresh.go", "if age < s.config.Lifetimes.RefreshGrace && age >", "if age >"}},
	},
	{
		Name: "refresh-replay-without-consequences", Case: "refresh-reuse-revokes",
		Edits: []Edit{{"authz/refresh.go", "return nil, s.endReplayed(ctx, r, storage.Write{At: r.At, Revoke: []storage.Revocation{\n\t\t{GrantID: token.GrantID, Reason: reasonRefreshReplayed},\n\t}})", "return nil, badGrant(reasonRefreshReplayed)"}},
	},
	{
		Name: "refresh-used-up-without-looking-again", Case: "refresh-race",
		Edits: []Edit{
			{"storage/memory/write.go", "if !t.ConsumedAt.IsZero() || usedTokens[used.Digest] {", "if usedTokens[used.Digest] {"},
			{"storage/memory/write.go", commitBegins, commitBegins + commitDawdles},
		},
	},
	{
		Name: "refresh-another-family-in-the-grace", Case: "refresh-grace-not-extended",
		Edits: []Edit{
			{"authz/refresh.go", "if !token.ConsumedAt.IsZero() {", "if r.At.Sub(token.ConsumedAt) < s.config.Lifetimes.RefreshGrace && token.ExpiresAt.IsZero() {"},
			{"storage/memory/write.go", "if !t.ConsumedAt.IsZero() || usedTokens[used.Digest] {", "if usedTokens[used.Digest] {"},
		},
	},
	{
		Name: "refresh-for-any-client", Case: "refresh-other-client-refused",
		Edits: []Edit{{"authz/refresh.go", "case token.ClientID != r.Client.ID:", `case token.ClientID == "":`}},
	},
	{
		Name: "refresh-replay-by-strangers", Case: "refresh-used-by-other-client-harmless",
		Edits: []Edit{{"authz/refresh.go", "case token.ClientID != r.Client.ID:", "case token.ClientID != r.Client.ID && token.ConsumedAt.IsZero():"}},
	},
	{
		Name: "refresh-widens-scope", Case: "refresh-wider-scope-refused",
		Edits: []Edit{{"authz/internal/engine/refresh.go", "if !granted.Has(scope) {", `if scope == "" {`}},
	},
	{
		Name: "refresh-scope-ignored", Case: "refresh-narrower-scope",
		Edits: []Edit{{"authz/internal/engine/refresh.go", "if len(asked) == 0 {", "if len(asked) >= 0 {"}},
	},
	{
		Name: "refresh-scope-lost", Case: "refresh-scope-comes-back",
		Edits: []Edit{{"authz/internal/engine/strategy.go", "scopes, resources = u.refresh.Scopes, u.refresh.Resources", "scopes, resources = r.GetGrantedScopes(), u.refresh.Resources"}},
	},
	{
		Name: "refresh-with-any-key", Case: "refresh-bound-to-key",
		Edits: []Edit{{"authz/refresh.go", "case !p.held.confirms(token.Confirmation):", "case token.Confirmation != nil && token.ExpiresAt.IsZero():"}},
	},
	{
		Name: "revocation-by-anybody", Case: "revoke-other-clients-token",
		Edits: []Edit{
			{"authz/revocation.go", "if record.ClientID != client.ID {", `if record.ClientID == "" {`},
			{"authz/revocation.go", "case found.token.ClientID != client.ID:", `case found.token.ClientID == "":`},
		},
	},
	{
		Name: "revocation-not-stored", Case: "revoke-access-token",
		Edits: []Edit{{"authz/revocation.go", "if err := s.config.Storage.Commit(ctx, storage.Write{At: s.now(), Revoke: []storage.Revocation{*what}}); err != nil {", "if err := ctx.Err(); err != nil {"}},
	},
	{
		Name: "revocation-believes-the-hint", Case: "revoke-wrong-hint",
		Edits: []Edit{{"authz/revocation.go", "what, event, err := s.revocationOf(ctx, client, token)", "if req.Parameters.Get(\"token_type_hint\") == \"refresh_token\" && len(token) != credentialLength {\n\t\treturn client, nil\n\t}\n\twhat, event, err := s.revocationOf(ctx, client, token)"}},
	},
	{
		Name: "revocation-of-the-refresh-token-alone", Case: "revoke-refresh-token-ends-grant",
		Edits: []Edit{{"authz/revocation.go", "return &storage.Revocation{GrantID: record.GrantID, Reason: reason}", "return &storage.Revocation{Token: record.Digest, Reason: reason}"}},
	},
}
