package conformance

// catalogue are the chapters of the catalogue, each in a file of its name.
var catalogue = [][]Case{
	pkceCases,
	issuerCases,
	idTokenCases,
	promptCases,
	hintCases,
	hybridCases,
	userInfoCases,
	subjectCases,
	discoveryCases,
	logoutCases,
	clientLogoutCases,
	fapiCases,
	fapiSigningCases,
}
