package mutants

// redirectMutants get redirect URIs wrong.
var redirectMutants = []Mutant{
	{
		Name: "redirect-by-prefix", Case: "redirect-exact-match",
		Edits: []Edit{{"authz/redirect_uri.go", "if slices.Contains(client.RedirectURIs, requested) {",
			"if slices.ContainsFunc(client.RedirectURIs, func(r string) bool { return strings.HasPrefix(requested, r) }) {"}},
	},
	{
		Name: "redirect-normalized", Case: "redirect-authority",
		Edits: []Edit{{"authz/redirect_uri.go", "if slices.Contains(client.RedirectURIs, requested) {",
			`if slices.ContainsFunc(client.RedirectURIs, func(r string) bool {
		a, _ := url.Parse(r)
		b, err := url.Parse(requested)
		return err == nil && a.Scheme == b.Scheme && a.Host == b.Host && a.Path == b.Path && a.RawQuery == b.RawQuery && b.Fragment == ""
	}) {`},
			{"authz/redirect_uri.go", "case u.User != nil:", "case false:"}},
	},
	{
		Name: "redirect-fragment-cut-off", Case: "redirect-fragment",
		Edits: []Edit{{"authz/redirect_uri.go", "if slices.Contains(client.RedirectURIs, requested) {",
			"if requested, _, _ = strings.Cut(requested, \"#\"); slices.Contains(client.RedirectURIs, requested) {"}},
	},
	{
		Name: "redirect-error-sent-anyway", Case: "redirect-no-open-redirector",
		Edits: []Edit{
			{"authz/authorization.go", "		(*authorization).checkState,\n		(*authorization).checkRedirectURI,\n", "		(*authorization).checkState,\n"},
			{"authz/authorization.go", "		(*authorization).checkResponseMode, //", "		(*authorization).checkRedirectURI,\n		(*authorization).checkResponseMode, //"},
			{"authz/authorization.go", "	uri, err := matchRedirectURI(", "	a.redirectURI = once(a.params, \"redirect_uri\")\n	uri, err := matchRedirectURI("},
		},
	},
	{
		Name: "redirect-first-of-two", Case: "redirect-omitted-of-two",
		Edits: []Edit{{"authz/redirect_uri.go", "if len(client.RedirectURIs) == 1 {", "if len(client.RedirectURIs) >= 1 {"}},
	},
	{
		Name: "redirect-any-scheme", Case: "redirect-dangerous-scheme",
		Edits: []Edit{
			{"authz/redirect_uri.go", `case !strings.Contains(u.Scheme, "."):`, "case false:"},
			{"authz/redirect_uri.go", "case !native:", "case false:"},
		},
	},
	{
		Name: "redirect-scheme-of-one-word", Case: "native-scheme-without-dot",
		Edits: []Edit{{"authz/redirect_uri.go", `case !strings.Contains(u.Scheme, "."):`, "case false:"}},
	},
	{
		Name: "redirect-http-anywhere", Case: "redirect-plain-http",
		Edits: []Edit{{"authz/redirect_uri.go", "if !loopbackHost(u.Hostname()) {", "if u.Hostname() == \"\" {"}},
	},
	{
		Name: "redirect-loopback-without-port", Case: "native-loopback-port",
		Edits: []Edit{{"authz/redirect_uri.go", "return ok1 && ok2 && a == b", "return false && ok1 && ok2 && a == b"}},
	},
	{
		Name: "redirect-loopback-any-path", Case: "native-loopback-port-only",
		Edits: []Edit{{"authz/redirect_uri.go", "return ok1 && ok2 && a == b", "return ok1 && ok2 && strings.HasPrefix(b, a)"}},
	},
	{
		Name: "redirect-query-lost", Case: "redirect-query-kept",
		Edits: []Edit{{"authz/redirect_uri.go", "	separator := \"?\"\n	if strings.Contains(redirectURI, \"?\") {", "	separator := \"?\"\n	if redirectURI, _, _ = strings.Cut(redirectURI, \"?\"); false {"}},
	},
	{
		Name: "redirect-pushed-unchecked", Case: "redirect-exact-match-pushed",
		Edits: []Edit{{"authz/redirect_uri.go", "	if client.ApplicationType == \"native\" {", "	if client.RequirePushedAuthorizationRequests {\n		return requested, nil\n	}\n	if client.ApplicationType == \"native\" {"}},
	},
}
