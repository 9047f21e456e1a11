package main

// What has to be known to judge a failure fairly, by the ID of the case.
var (
	fositeRemarks   = map[string]string{}
	goOAuth2Remarks = map[string]string{}
	zitadelRemarks  = map[string]string{}
	providerRemarks = map[string]string{}
)
