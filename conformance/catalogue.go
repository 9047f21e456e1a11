package conformance

// catalogue are the chapters of the catalogue, each in a file of its name.
var catalogue = [][]Case{
	pkceCases,
	issuerCases,
	resourceIndicatorCases,
	resourceMetadataCases,
	stepUpCases,
	richRequestCases,
	deviceCases,
	devicePageCases,
	exchangeCases,
	exchangeActorCases,
	registrationCases,
	registrationAttackCases,
	managementCases,
	documentCases,
	documentFetchingCases,
	backchannelCases,
}
