package main

// What has to be known to judge a failure fairly, by the ID of the case. A remark about a case that
// passes is not shown.

const (
	hostsPolicy    = "who may ask about which tokens is the host's to decide"
	defaultPattern = "the default compares the ends of hosts; SetValidateURIHandler replaces it"
	examplesStore  = "this is the example's storage, and not the library"
	developerPage  = "the development page is not for production"
	scriptedPage   = "the example's page asks by buttons of script, where the suite looks for a form"
	byPost         = "enableHttpPostMethods is off by default, for it takes cookies with SameSite=None"
)

var fositeRemarks = map[string]string{
	"pkce-public-client-without-challenge":        "EnforcePKCEForPublicClients, off by default, has it so",
	"response-no-access-tokens":                   "ComposeAllEnabled has the implicit flow; fosite can be composed without",
	"introspect-refresh-token-by-resource-server": "DisableRefreshTokenValidation, off by default, has it so",
}

var goOAuth2Remarks = map[string]string{
	"pkce-public-client-without-challenge": "ForcePKCE, off by default, has it so for all clients",
	"redirect-unregistered":                defaultPattern,
	"redirect-no-open-redirector":          defaultPattern,
	"redirect-exact-match":                 defaultPattern,
	"redirect-authority":                   defaultPattern,
	"redirect-fragment":                    defaultPattern,
	"redirect-control-characters":          defaultPattern,
	"redirect-homograph":                   defaultPattern,
	"redirect-international-host":          defaultPattern,
	"redirect-of-another-client":           defaultPattern,
	"authorize-unknown-client":             "a PreRedirectErrorHandler of the host's could stop it",
	"token-password-grant-refused":         "refused; the example allows it to one user",
}

var zitadelRemarks = map[string]string{
	"exchange-*":                "one cause: an opaque access token for subject_token",
	"token-client-credentials":  "the example's storage takes the client for a user when somebody asks about the token",
	"code-replay-revokes":       examplesStore,
	"code-race-revokes":         examplesStore,
	"revoke-race":               examplesStore,
	"revoke-race-access-tokens": examplesStore,
	"device-page-names-client":  scriptedPage,
	"hint-other-user-asked":     "the example's own page signs in whoever comes",
}

var providerRemarks = map[string]string{
	"authorize-by-post":                byPost,
	"logout-by-post":                   byPost,
	"page-tells-who-asks":              developerPage,
	"page-not-framed":                  developerPage,
	"page-policy":                      developerPage,
	"page-keeps-referrer":              developerPage,
	"page-logo-not-linked":             developerPage,
	"hint-other-user-asked":            "who signs in on the development page is not compared with the hint any more, which a host's own page could do",
	"introspect-public-client-refused": hostsPolicy + ", in features.introspection.allowedPolicy: by default a public client may ask about its own tokens",
	"dcr-logo-not-hot-linked":          developerPage,
	"client-keys-bounded":              "fetchResponseBodyLimits has no bound for key sets by default",
	"redirect-omitted-with-openid":     "allowOmittingSingleRegisteredRedirectUri is on by default",
	"iss-in-fragment":                  "it is left out beside an ID token, which has it",
}
