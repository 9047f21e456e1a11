package conformance

// catalogue are the chapters of the catalogue, each in a file of its name.
var catalogue = [][]Case{
	tokenCases,
	clientAuthCases,
	codeCases,
	pkceCases,
	refreshCases,
	revocationCases,
	introspectionCases,
	corsCases,
	metadataCases,
	methodCases,
	keyCases,
	issuerCases,
	watchCases,
}
