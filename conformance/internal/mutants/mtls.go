package mutants

// mtlsMutants get clients' certificates wrong.
var mtlsMutants = []Mutant{
	{
		Name: "certificate-of-anybody", Case: "mtls-self-signed",
		Edits: []Edit{{"authz/client_certificate.go", `case !known:`, `case !known && false:`}},
	},
	{
		Name: "certificate-by-nobody", Case: "mtls-authority",
		Edits: []Edit{{"authz/client_certificate.go", `case !req.CertificateVerified:`, `case false:`}},
	},
	{
		Name: "certificate-of-another-client", Case: "mtls-authority",
		Edits: []Edit{{"authz/client_certificate.go", `case !subjectMatches(client, certificate):`, `case false:`}},
	},
	{
		Name: "certificate-optional", Case: "mtls-self-signed",
		Edits: []Edit{{"authz/client_certificate.go", "	case certificate == nil:\n		return badClient(\"certificate_missing\")", "	case certificate == nil:\n		return nil"}},
	},
	{
		Name: "certificate-in-a-header", Case: "mtls-header-forged",
		Edits: []Edit{
			{"handlers/endpoint.go", `	certificate := protect.TLSCertificate
`, `	certificate := func(r *http.Request) (*x509.Certificate, error) {
		if r.Header.Get("Client-Cert") != "" {
			return protect.ForwardedCertificate("Client-Cert", netip.MustParsePrefix("0.0.0.0/0"))(r)
		}
		return protect.TLSCertificate(r)
	}
`},
		},
	},
	{
		Name: "token-bound-to-no-certificate", Case: "mtls-bound",
		Edits: []Edit{{"authz/confirmation.go", `		if wanted {`, `		if wanted && p.config.FAPI2 {`}},
	},
	{
		Name: "token-with-any-certificate", Case: "mtls-bound-presented",
		Edits: []Edit{{"handlers/protect/certificate.go", `case key != thumbprint(certificate): // a key that is no string is none either`, `case key == "":`}},
	},
	{
		Name: "refresh-with-any-certificate", Case: "mtls-bound-refresh",
		Edits: []Edit{{"authz/confirmation.go", `	if r.Public {`, `	if false {`}},
	},
}
