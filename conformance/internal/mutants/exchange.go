package mutants

// exchangeMutants get token exchange wrong.
var exchangeMutants = []Mutant{
	{
		Name: "exchange-widens-scope", Case: "exchange-scope-not-widened",
		Edits: []Edit{{"authz/token_exchange.go", "ask.Scopes = within(possible, subject.Scopes)", "ask.Scopes = possible"}},
	},
	{
		Name: "exchange-forgets-the-actor", Case: "exchange-delegation",
		Edits: []Edit{{"authz/token_exchange.go", "Confirmation: p.confirmation, Actor: act,", "Confirmation: p.confirmation, Actor: act[:0],"}},
	},
	{
		Name: "exchange-forgets-who-acted-before", Case: "exchange-delegation-chain",
		Edits: []Edit{{"authz/token_exchange.go", `			named["act"] = before`, `			named["sub"] = actor.Subject`}},
	},
	{
		Name: "exchange-unbinds-tokens", Case: "exchange-bound-token",
		Edits: []Edit{{"authz/token_exchange_presented.go", "case !p.confirms(t.Claims):", "case t.Claims != nil && !p.confirms(nil):"}},
	},
	{
		Name: "exchange-believes-strangers", Case: "exchange-stranger-refused",
		Edits: []Edit{{"authz/trusted_issuer.go", "case !signed:\n\t\treturn no(\"signature_invalid\")", "case !signed && issuer == nil:\n\t\treturn no(\"signature_invalid\")"}},
	},
	{
		Name: "exchange-takes-any-audience", Case: "exchange-stranger-refused",
		Edits: []Edit{{"authz/trusted_issuer.go", "case !s.forUs(t.claims.Audience, issuer, exchanged):", "case !exchanged && !s.forUs(t.claims.Audience, issuer, exchanged):"}},
	},
	{
		Name: "exchange-overlooks-who-may-act", Case: "exchange-may-act",
		Edits: []Edit{{"authz/token_exchange.go", `claim, there := subject.Claims["may_act"]`, `claim, there := subject.Claims["may_not_act"]`}},
	},
}
