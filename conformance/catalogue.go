package conformance

// catalogue are the chapters of the catalogue, each in a file of its name.
var catalogue = [][]Case{
	authorizeCases,
	redirectCases,
	responseCases,
	formPostCases,
	consentCases,
	pageCases,
	hostCases,
	bearerCases,
	pkceCases,
	nativeCases,
	issuerCases,
	limitCases,
	tokenCases,
	clientAuthCases,
	codeCases,
	refreshCases,
	revocationCases,
	introspectionCases,
	corsCases,
	metadataCases,
	methodCases,
	keyCases,
	watchCases,
}
