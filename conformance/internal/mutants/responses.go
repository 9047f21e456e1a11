package mutants

// responseMutants get authorization requests and their answers wrong.
var responseMutants = []Mutant{
	{
		Name: "response-iss-not-in-errors", Case: "iss-in-error",
		Edits: []Edit{{"authz/authorization_response.go", `		params.Set("iss", a.config.Issuer)`, "		if !params.Has(\"error\") {\n			params.Set(\"iss\", a.config.Issuer)\n		}"}},
	},
	{
		Name: "response-state-decoded-twice", Case: "response-state",
		Edits: []Edit{{"authz/authorization_response.go", `		params.Set("state", state[0])`, "		again, _ := url.QueryUnescape(state[0])\n		params.Set(\"state\", again)"}},
	},
	{
		Name: "response-by-refused-mode", Case: "response-mode-unknown",
		Edits: []Edit{{"authz/authorization_response.go", `	return failed(invalidRequest, "response_mode_not_supported"`, "	a.fragment = true\n	return failed(invalidRequest, \"response_mode_not_supported\""}},
	},
	{
		Name: "response-id-token-in-query", Case: "response-tokens-not-in-query",
		Edits: []Edit{{"authz/authorization_response.go", "		if !secret {", "		if a.fragment = false; true {"}},
	},
	{
		Name: "response-error-reflects-request", Case: "response-error-description",
		Edits: []Edit{{"authz/authorization_response.go", `	response, failure := a.redirect(ctx, url.Values{"error": {e.Code}, "error_description": {e.Description}})`,
			`	response, failure := a.redirect(ctx, url.Values{"error": {e.Code}, "error_description": {e.Description + once(a.params, "scope")}})`}},
	},
	{
		Name: "response-type-of-any-client", Case: "response-type-not-registered",
		Edits: []Edit{
			{"authz/response_type.go", "	case len(without(grantTypesOfResponse(t), grantTypesOf(a.client))) > 0:", "	case false:"},
			{"authz/response_type.go", "	case !slices.Contains(responseTypesOf(a.client), t):", "	case false:"},
		},
	},
	{
		Name: "response-temporary-redirect", Case: "response-redirect-status",
		Edits: []Edit{{"handlers/authorization.go", "		w.WriteHeader(http.StatusSeeOther)", "		w.WriteHeader(http.StatusTemporaryRedirect)"}},
	},
	{
		Name: "response-stored", Case: "response-no-store",
		Edits: []Edit{{"handlers/authorization.go", `		w.Header().Set("Location", response.Redirect)`, "		w.Header().Set(\"Location\", response.Redirect)\n		w.Header().Del(\"Cache-Control\")"}},
	},
	{
		Name: "response-form-as-html", Case: "form-post-escaped",
		Edits: []Edit{{"handlers/form_post.go", `	return e.pages.writeWith(w, e.pages.cspForm, "form_post.html", http.StatusOK, v)`,
			"	err := e.pages.writeWith(w, e.pages.cspForm, \"form_post.html\", http.StatusOK, v)\n	w.Write([]byte(form.Parameters.Get(\"state\")))\n	return err"}},
	},
	{
		Name: "response-form-framed", Case: "form-post-page-closed",
		Edits: []Edit{{"handlers/form_post.go", "e.pages.cspForm, \"form_post.html\"", "\"script-src 'unsafe-inline'\", \"form_post.html\""}},
	},
	{
		Name: "authorize-unknown-client-authenticates", Case: "authorize-no-challenge",
		Edits: []Edit{{"authz/authorization.go", `		return failed(invalidRequest, "client_unknown", "The application that sent you here is not known to this server.").`,
			"		e := failed(invalidRequest, \"client_unknown\", \"The application that sent you here is not known to this server.\")\n		e.Status = 401\n		return e."},
			{"handlers/error_page.go", "\tpage := &ErrorPage{", "\tif refused.Status == 401 {\n\t\tw.Header().Set(\"WWW-Authenticate\", \"Basic\")\n\t}\n\tpage := &ErrorPage{"}},
	},
	{
		Name: "authorize-takes-repeated", Case: "authorize-parameter-repeated",
		Edits: []Edit{{"authz/parameters.go", `		if len(values) > 1 && name != "resource"`, `		if false && name != "resource"`}},
	},
	{
		Name: "authorize-shared-with-scripts", Case: "authorize-no-cors",
		Edits: []Edit{{"handlers/authorization.go", "	var params url.Values\n", "	w.Header().Set(\"Access-Control-Allow-Origin\", \"*\")\n	var params url.Values\n"}},
	},
	{
		Name: "authorize-by-any-method", Case: "authorize-methods",
		Edits: []Edit{{"handlers/authorization.go", "[]string{http.MethodGet, http.MethodPost}", "[]string{http.MethodGet, http.MethodPost, http.MethodPut}"}},
	},
	{
		Name: "authorize-multipart", Case: "authorize-multipart",
		Edits: []Edit{{"handlers/authorization.go", "		params, refused = e.bodyParameters(w, r)", "		_ = r.ParseMultipartForm(1 << 20)\n		if params = r.PostForm; len(params) == 0 {\n			params, refused = e.bodyParameters(w, r)\n		}"}},
	},
}
