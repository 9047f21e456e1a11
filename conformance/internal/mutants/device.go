package mutants

// deviceMutants get the device grant wrong, and its sibling by the back channel.
var deviceMutants = []Mutant{
	{
		Name: "device-code-of-anybody", Case: "device-code-of-another-client",
		Edits: []Edit{{"authz/device_token.go", "case code.ClientID != p.client.ID:", `case code.ClientID == "":`}},
	},
	{
		Name: "device-code-used-twice", Case: "device-single-use",
		Edits: []Edit{{"authz/device_token.go", "ConsumeCodes: []storage.Digest{decision.Digest}, ", ""}},
	},
	{
		Name: "device-code-never-expires", Case: "device-expired",
		Edits: []Edit{{"authz/device_token.go", "case !p.at.Before(code.ExpiresAt):", "case code.ExpiresAt.IsZero():"}},
	},
	{
		Name: "device-polls-as-fast-as-it-likes", Case: "device-slow-down",
		Edits: []Edit{{"authz/device_token.go", "if s.polls.tooSoon(digest, p.at) {", "if s.polls.tooSoon(digest, p.at) && p.at.IsZero() {"}},
	},
	{
		Name: "device-link-is-consent", Case: "device-complete-uri-asks",
		Edits: []Edit{{"authz/device_page.go", "\treturn &DevicePageResponse{Confirm: prompt, User: user}, nil", `	if req.HTTP.Method == http.MethodGet {
		decided, _ := pending.decideDevice(ctx, user, &ConsentSubmission{Approve: true, Scopes: pending.scopes})
		return &DevicePageResponse{Decided: decided, User: user}, nil
	}
	return &DevicePageResponse{Confirm: prompt, User: user}, nil`}},
	},
	{
		Name: "device-user-codes-guessed", Case: "device-user-code-brute-force",
		Edits: []Edit{{"authz/device_page.go", "if err := s.exhausted(ctx, guesses); err != nil {", "if err := s.exhausted(ctx, guesses[:0]); err != nil {"}},
	},
	{
		Name: "device-user-code-asked-about-again", Case: "device-user-code-spent",
		Edits: []Edit{{"authz/user_code.go", "c.Kind != storage.UserCode || !c.ConsumedAt.IsZero() || ", "c.Kind != storage.UserCode || "}},
	},
	{
		Name: "device-decided-from-another-site", Case: "device-decision-of-another-browser",
		// What the form has is bound to a browser and to a user besides.
		Edits: []Edit{
			{"handlers/device.go", "if crossSite(r, e.origin) {", `if crossSite(r, e.origin) && r.Host == "" {`},
			{"authz/consent.go", "case subtle.ConstantTimeCompare(sum[:], state.Browser) != 1:", "case subtle.ConstantTimeCompare(sum[:], state.Browser) > 1:"},
			{"authz/device_page.go", "if user.Subject != state.Subject {", `if state.Subject == "" {`},
		},
	},
	{
		Name: "backchannel-takes-several-hints", Case: "ciba-one-hint",
		Edits: []Edit{{"authz/backchannel_request.go", "case hints != 1:", "case hints == 0:"}},
	},
}
