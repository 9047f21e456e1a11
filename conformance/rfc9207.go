package conformance

// RFC 9207: the issuer in authorization responses.
var issuerCases = []Case{
	{
		ID: "iss-in-response", Spec: "RFC 9207", Section: "2", Level: Must,
		Request: "an authorization request that succeeds",
		Want:    "iss in the response, the issuer of the metadata to the letter",
		Attacks: []string{"O3"},
		Needs:   []Feature{codeFlow, is("authorization_response_iss_parameter_supported")},
		run: func(p *probe) {
			if got := p.client().authorize().params.Get("iss"); got != p.run.target.Issuer {
				p.failf("iss %q, want %q", got, p.run.target.Issuer)
			}
		},
	},
}
