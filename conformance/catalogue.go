package conformance

// catalogue are the chapters of the catalogue, each in a file of its name.
var catalogue = [][]Case{
	pkceCases,
	issuerCases,
	assertionCases,
	jwtFormCases,
	clientKeyCases,
	guardCases,
	jwtBearerCases,
	requestObjectCases,
	requestURICases,
	signedResponseCases,
	pushedCases,
	proofCases,
	proofAtResourceCases,
	proofKeyCases,
	nonceCases,
	mutualTLSCases,
	boundCertificateCases,
	accessTokenCases,
	signedIntrospectionCases,
	encryptedCases,
}
