package mutants

// pushedMutants get pushed authorization requests wrong.
var pushedMutants = []Mutant{
	{
		Name: "pushed-by-anybody", Case: "par-client-authentication",
		Edits: []Edit{{"authz/pushed_authorization.go", "	client, err := s.authenticateClient(ctx, req)\n	if err != nil {", "	client, err := s.authenticateClient(ctx, req)\n	if err != nil && client == nil {"}},
	},
	{
		Name: "pushed-used-again", Case: "par-once",
		Edits: []Edit{{"authz/pushed_authorization.go", `	if a.pushed != nil {
		w.ConsumeCodes`, `	if false {
		w.ConsumeCodes`}},
	},
	{
		Name: "pushed-for-any-client", Case: "par-of-another-client",
		Edits: []Edit{{"authz/pushed_authorization.go", `case pushed.ClientID != clientID:`, `case false:`}},
	},
	{
		Name: "pushed-for-good", Case: "par-expires",
		Edits: []Edit{{"authz/pushed_authorization.go", `if !a.at.Before(pushed.IssuedAt.Add(a.config.Lifetimes.PushedRequest)) {`, `if false {`}},
	},
	{
		Name: "pushed-changed-in-the-url", Case: "par-nothing-beside",
		Edits: []Edit{{"authz/pushed_authorization.go", `	a.params, a.pushed, a.asked = params, pushed, pushed.IssuedAt`, "	if outer.Has(\"state\") {\n\t\tparams[\"state\"] = outer[\"state\"]\n\t}\n\ta.params, a.pushed, a.asked = params, pushed, pushed.IssuedAt"}},
	},
	{
		Name: "pushed-not-required", Case: "par-required-of-client",
		Edits: []Edit{{"authz/pushed_authorization.go", `if a.pushed == nil && (a.config`, `if false && (a.config`}},
	},
	{
		Name: "pushed-not-judged", Case: "par-judged-at-once",
		Edits: []Edit{{"authz/pushed_authorization.go", `for _, checks := range [][]check{checksBeforeRedirect, checksAfterRedirect} {`, `for _, checks := range [][]check{checksBeforeRedirect} {`}},
	},
}
