package mutants

// requestObjectMutants get signed requests and signed responses wrong.
var requestObjectMutants = []Mutant{
	{
		Name: "request-object-by-any-key", Case: "request-object-signature",
		Edits: []Edit{{"authz/request_object.go", `case !signed:`, `case !signed && false:`}},
	},
	{
		Name: "request-object-mixed-with-query", Case: "request-object-nothing-added",
		Edits: []Edit{{"authz/request_object.go", `	a.params, a.signed, a.asked = params, true, shown`, "	for name, values := range a.params {\n\t\tif !params.Has(name) && name != \"request\" {\n\t\t\tparams[name] = values\n\t\t}\n\t}\n\ta.params, a.signed, a.asked = params, true, shown"}},
	},
	{
		Name: "request-object-after-query", Case: "request-object-alone-counts",
		Edits: []Edit{{"authz/request_object.go", `	a.params, a.signed, a.asked = params, true, shown`, "	if state, there := a.params[\"state\"]; there {\n\t\tparams[\"state\"] = state\n\t}\n\ta.params, a.signed, a.asked = params, true, shown"}},
	},
	{
		Name: "request-object-for-another-client", Case: "request-object-client-id",
		Edits: []Edit{{"authz/request_object.go", `case once(params, "client_id") != a.client.ID: // RFC 9101 §6.3`, `case false:`}},
	},
	{
		Name: "request-object-for-another-server", Case: "request-object-audience",
		Edits: []Edit{{"authz/request_object.go", `case !slices.Contains(c.Audience.values, a.config.Issuer):`, `case false:`}},
	},
	{
		Name: "request-object-in-request-object", Case: "request-object-nested",
		Edits: []Edit{{"authz/request_object.go", `case params.Has("request") || params.Has("request_uri"): // RFC 9101 §4`, `case false:`}},
	},
	{
		Name: "request-object-not-required", Case: "request-object-required",
		Edits: []Edit{{"authz/request_object.go", `if !a.signed && !pushedBefore && (`, `if false && !pushedBefore && (`}},
	},
	{
		Name: "request-uri-of-anybody", Case: "request-uri-not-registered",
		Edits: []Edit{{"authz/request_uri.go", `case !registeredRequestURI(a.client, uri):`, `case false:`}},
	},
	{
		Name: "response-for-everybody", Case: "signed-response",
		Edits: []Edit{{"authz/jarm.go", `"aud": a.client.ID,`, `"aud": a.config.Issuer,`}},
	},
	{
		Name: "response-good-for-a-day", Case: "signed-response-life",
		Edits: []Edit{{"authz/jarm.go", `max(responseLifetime,`, `max(24*time.Hour,`}},
	},
}
