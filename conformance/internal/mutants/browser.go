package mutants

// browserMutants get pages, forms and what users see wrong, and what is logged and bounded.
var browserMutants = []Mutant{
	{
		Name: "browser-not-bound", Case: "consent-of-another-browser",
		Edits: []Edit{
			{"authz/consent.go", "case subtle.ConstantTimeCompare(sum[:], state.Browser) != 1:", "case subtle.ConstantTimeCompare(sum[:], state.Browser) > 1:"},
			{"authz/consent.go", "case sub.Browser == \"\":", "case false:"},
		},
	},
	{
		Name: "browser-answers-for-another-user", Case: "consent-forged",
		Edits: []Edit{
			{"authz/consent.go", "case subtle.ConstantTimeCompare(sum[:], state.Browser) != 1:", "case subtle.ConstantTimeCompare(sum[:], state.Browser) > 1:"},
			{"authz/consent.go", "	if user.Subject != state.Subject {", "	if user.Subject == \"\" {"},
			{"handlers/consent.go", "	if crossSite(r, e.origin) {", "	if false && crossSite(r, e.origin) {"},
		},
	},
	{
		Name: "browser-user-may-change", Case: "consent-of-another-user",
		Edits: []Edit{{"authz/consent.go", "	if user.Subject != state.Subject {", "	if user.Subject == \"\" {"}},
	},
	{
		Name: "browser-answers-twice", Case: "consent-denied-then-allowed",
		Edits: []Edit{{"authz/consent_answer.go", "interactionPurpose+p.state.ID)", "interactionPurpose+p.state.ID+p.at.String())"}},
	},
	{
		Name: "browser-native-remembered", Case: "native-asks-each-time",
		Edits: []Edit{{"authz/consent.go", `	case a.prompts("consent"), impersonable(a.client, a.redirectURI):`, `	case a.prompts("consent"):`}},
	},
	{
		Name: "browser-pages-framed", Case: "page-not-framed",
		Edits: []Edit{
			{"handlers/pages.go", `	p.csp += "base-uri 'none'; frame-ancestors 'none'"`, `	p.csp += "base-uri 'none'"`},
			{"handlers/endpoint.go", "	h[\"X-Frame-Options\"] = deny\n", ""},
			{"handlers/endpoint.go", "	deny       = []string{\"DENY\"} ", "	_          = []string{\"DENY\"} "},
		},
	},
	{
		Name: "browser-client-name-as-html", Case: "page-client-name-escaped",
		Edits: []Edit{{"handlers/consent_page.go", `	return e.pages.write(w, "consent.html", http.StatusOK, e.pages.consentView(page))`,
			"	err := e.pages.write(w, \"consent.html\", http.StatusOK, e.pages.consentView(page))\n	w.Write([]byte(prompt.Client.Name))\n	return err"}},
	},
	{
		Name: "browser-client-link-unchecked", Case: "page-client-links-safe",
		Edits: []Edit{
			{"authz/client_metadata.go", `bad != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", err
	}`, `bad != nil && u == nil {
		return "", err
	}`},
			{"handlers/consent_page.go", `	return e.pages.write(w, "consent.html", http.StatusOK, e.pages.consentView(page))`,
				"	err := e.pages.write(w, \"consent.html\", http.StatusOK, e.pages.consentView(page))\n	w.Write([]byte(`<a href=\"` + prompt.Client.PolicyURI + `\">Policy</a>`))\n	return err"},
		},
	},
	{
		Name: "browser-error-reflected", Case: "page-error-not-reflected",
		Edits: []Edit{{"handlers/error_page.go", "	if err := e.pages.write(w, \"error.html\", refused.Status, &errorView{page, e.pages.look, e.pages.style}); err != nil {",
			"	err := e.pages.write(w, \"error.html\", refused.Status, &errorView{page, e.pages.look, e.pages.style})\n	w.Write([]byte(r.URL.Query().Get(\"client_id\")))\n	if err != nil {"}},
	},
	{
		Name: "host-believed", Case: "host-spoofed",
		Edits: []Edit{{"handlers/authorization.go", `		w.Header().Set("Location", response.Redirect)`,
			"		if host := r.Header.Get(\"X-Forwarded-Host\"); host != \"\" && response.Redirect[0] == '/' {\n			response.Redirect = \"https://\" + host + response.Redirect\n		}\n		w.Header().Set(\"Location\", response.Redirect)"}},
	},
	{
		Name: "log-code", Case: "log-no-secrets",
		Edits: []Edit{{"authz/authorization.go", `		answer.Set("code", code)`, "		a.log.DebugContext(ctx, \"issued\", \"code\", code)\n		answer.Set(\"code\", code)"}},
	},
	{
		Name: "log-redirect-uri", Case: "log-no-secrets-refused",
		Edits: []Edit{{"authz/redirect_uri.go", "beforeQuery(requested), client.RedirectURIs", "requested, client.RedirectURIs"}},
	},
	{
		Name: "host-panic-not-caught", Case: "host-fails",
		Edits: []Edit{{"handlers/endpoint.go", "	if p == http.ErrAbortHandler {", "	if p != nil {"}},
	},
	{
		Name: "limit-body-unbounded", Case: "limit-body",
		Edits: []Edit{
			{"handlers/form.go", "	maxBody       = 64 << 10", "	maxBody       = 64 << 20"},
			{"authz/parameters.go", "	maxParameter  = 8 << 10", "	maxParameter  = 64 << 20"},
			{"authz/parameters.go", "	maxParameters = 24 << 10", "	maxParameters = 64 << 20"},
		},
	},
	{
		Name: "bearer-in-query", Case: "bearer-two-methods",
		Edits: []Edit{{"handlers/protect/bearer.go", "	if inQuery(r.URL.RawQuery) {", "	if false && inQuery(r.URL.RawQuery) {"}},
	},
	{
		Name: "bearer-scope-not-asked", Case: "bearer-insufficient-scope",
		Edits: []Edit{{"handlers/protect/protect.go", "return !verified.HasScope(scope) }):", "return scope == \"\" }):"}},
	},
}
