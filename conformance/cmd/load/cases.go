package main

import (
	"fmt"
	"net/url"
	"slices"
)

// loadCase is one kind of request.
type loadCase struct {
	name string

	// prepares is what each request uses up ("code", "refresh", "access"), or nothing.
	prepares string

	// reuses tells that what is prepared may be used any number of times.
	reuses bool

	path   string
	params func(prepared string) url.Values
	wants  string // what the body of a good answer holds
}

var cases = []loadCase{
	{name: "client_credentials_opaque", path: "/oauth2/token", wants: `"access_token"`, params: func(string) url.Values {
		return client(opaqueClient, "grant_type", "client_credentials", "scope", "read")
	}},
	{name: "client_credentials_jwt", path: "/oauth2/token", wants: `"access_token":"eyJ`, params: func(string) url.Values {
		return client(jwtClient, "grant_type", "client_credentials", "scope", "read")
	}},
	{name: "code_exchange", prepares: "code", path: "/oauth2/token", wants: `"access_token"`, params: func(code string) url.Values {
		return client(opaqueClient, "grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI, "code_verifier", verifier)
	}},
	{name: "refresh", prepares: "refresh", path: "/oauth2/token", wants: `"access_token"`, params: func(token string) url.Values {
		return client(opaqueClient, "grant_type", "refresh_token", "refresh_token", token)
	}},
	{name: "introspection", prepares: "access", reuses: true, path: "/oauth2/introspect", wants: `"active":true`, params: func(token string) url.Values {
		return client(opaqueClient, "token", token)
	}},
	{name: "revocation", prepares: "access", path: "/oauth2/revoke", params: func(token string) url.Values {
		return client(opaqueClient, "token", token)
	}},
}

func client(id string, pairs ...string) url.Values {
	v := url.Values{"client_id": {id}, "client_secret": {clientSecret}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// caseNames is all that can be asked for, those without a connection included.
func caseNames() []string {
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	return append(names, inProcessCases...)
}

// caseNamed is one that exists.
func caseNamed(name string) loadCase {
	return cases[slices.IndexFunc(cases, func(c loadCase) bool { return c.name == name })]
}

// request is the bytes of one.
func (c loadCase) request(host, prepared string) []byte {
	body := c.params(prepared).Encode()
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", c.path, host, len(body), body)
}
