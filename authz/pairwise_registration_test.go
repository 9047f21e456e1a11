package authz_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// strictDecode is base64url as in a JWT.
func strictDecode(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return string(b), err
}

const sectorDocument = "https://sector.example/redirects.json"

// webOf is what the server fetches from.
func webOf(w *web0) func(*authz.Config) {
	return func(c *authz.Config) { c.HTTPClient = &http.Client{Transport: w} }
}

// OpenID Connect Discovery §3: pairwise is offered where there is a key for it.
func TestOpenIDConnectDiscovery_Section3_subject_types(t *testing.T) {
	if got := newOpenID(t).Metadata().SubjectTypesSupported; !slices.Equal(got, []string{"public"}) {
		t.Error(got)
	}
	if got := newPairwise(t).Metadata().SubjectTypesSupported; !slices.Equal(got, []string{"public", "pairwise"}) {
		t.Error(got)
	}
	c := validConfig()
	c.PairwiseKey = []byte("short")
	if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), "Config.PairwiseKey: has 5 bytes") || !strings.Contains(err.Error(), "openssl rand -base64 32") {
		t.Errorf("%v", err)
	}
}

// OpenID Connect Core §8.1: what a client has to have for its sector to be known.
func TestOpenIDConnectCore_Section8_1_client(t *testing.T) {
	w := newWeb()
	w.put(sectorDocument, 200, `["https://a.example/cb","https://b.example/cb","http://127.0.0.1/cb"]`)
	w.put("https://sector.example/object", 200, `{"redirect_uris":["https://a.example/cb"]}`)
	w.put("https://sector.example/numbers", 200, `["https://a.example/cb",1]`)
	w.put("https://sector.example/nulls", 200, `["https://a.example/cb",null]`)
	w.put("https://sector.example/null", 200, `null`)
	w.put("https://sector.example/gone", 404, `[]`)
	s := newPairwise(t, webOf(w))
	for name, test := range map[string]struct {
		edit func(*authz.Client)
		want string
	}{
		"one host":        {func(*authz.Client) {}, ""},
		"two ports":       {func(c *authz.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://a.example:8443/cb") }, ""},
		"two hosts":       {func(c *authz.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://b.example/cb") }, `SectorIdentifierURI: is empty, and pairwise subjects need it: the redirect URIs have the hosts "a.example" and "b.example"`},
		"on the device":   {func(c *authz.Client) { c.RedirectURIs = []string{"http://127.0.0.1/cb"} }, "leads to the user's device, which is nobody's sector"},
		"no redirect URI": {func(c *authz.Client) { c.RedirectURIs, c.GrantTypes = nil, []string{"refresh_token"} }, "there is no redirect URI to tell the sector by"},
		"a type unknown":  {func(c *authz.Client) { c.SubjectType = "secret" }, `SubjectType: is "secret"; use public or pairwise`},
		"JWTs":            {func(c *authz.Client) { c.AccessTokenFormat = "jwt" }, "AccessTokenFormat: is jwt"},
		"resource server": {func(c *authz.Client) { c.ResourceServer, c.Secrets = true, liveSecrets[rs] }, "register two clients"},
		"a document": {func(c *authz.Client) {
			c.RedirectURIs = append(c.RedirectURIs, "https://b.example/cb")
			c.SectorIdentifierURI = sectorDocument
		}, ""},
		"not listed": {func(c *authz.Client) {
			c.RedirectURIs = append(c.RedirectURIs, "https://b.example/cb2")
			c.SectorIdentifierURI = sectorDocument
		}, `does not hold the redirect URI "https://b.example/cb2"; add it there`},
		"public, unlisted": {func(c *authz.Client) {
			c.SubjectType, c.RedirectURIs, c.SectorIdentifierURI = "", []string{"https://c.example/cb"}, sectorDocument
		}, "does not hold the redirect URI"},
		"http":      {func(c *authz.Client) { c.SectorIdentifierURI = "http://sector.example/redirects.json" }, "SectorIdentifierURI:"},
		"an object": {func(c *authz.Client) { c.SectorIdentifierURI = "https://sector.example/object" }, "is not a JSON array of strings"},
		"numbers":   {func(c *authz.Client) { c.SectorIdentifierURI = "https://sector.example/numbers" }, "is not a JSON array of strings"},
		"nulls":     {func(c *authz.Client) { c.SectorIdentifierURI = "https://sector.example/nulls" }, "is not a JSON array of strings"},
		"null":      {func(c *authz.Client) { c.SectorIdentifierURI = "https://sector.example/null" }, "is not a JSON array of strings"},
		"not found": {func(c *authz.Client) { c.SectorIdentifierURI = "https://sector.example/gone" }, "sector.example: the answer is 404"},
	} {
		c := authz.Client{ID: "new", RedirectURIs: []string{"https://a.example/cb"}, Scopes: []string{"openid"}, SubjectType: "pairwise"}
		test.edit(&c)
		err := s.RegisterClient(t.Context(), c)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	err := newOpenID(t).RegisterClient(t.Context(), authz.Client{ID: "new", RedirectURIs: []string{"https://a.example/cb"}, SubjectType: "pairwise"})
	if err == nil || !strings.Contains(err.Error(), "needs Config.PairwiseKey") || !strings.Contains(err.Error(), "openssl rand -base64 32") {
		t.Errorf("%v", err)
	}
	// Without a client of the host's own, nothing on this machine is fetched.
	err = newPairwise(t).RegisterClient(t.Context(), authz.Client{ID: "new", RedirectURIs: []string{"https://a.example/cb"}, SubjectType: "pairwise", SectorIdentifierURI: "https://127.0.0.1:1/x"})
	if err == nil || !strings.Contains(err.Error(), "prohibited") {
		t.Errorf("%v", err)
	}
}

// OpenID Connect Registration §2 and §5: clients that register themselves, and change that.
func TestOpenIDConnectRegistration_Section5(t *testing.T) {
	w := newWeb()
	s := newPairwise(t, webOf(w), open(func(r *authz.Registration) {
		r.Scopes, r.GrantTypes = append(r.Scopes, "openid"), []string{"authorization_code", "refresh_token", deviceCode}
	}), func(c *authz.Config) { c.DeviceGrant = true })
	w.put(sectorDocument, 200, `["https://app.example/cb","https://b.example/cb","http://127.0.0.1/cb"]`)
	const both = `["https://app.example/cb","https://b.example/cb"]`
	pair := func(pairs ...string) []string { return append([]string{"subject_type", `"pairwise"`}, pairs...) }
	info := must(s.introduce(pair("redirect_uris", both, "sector_identifier_uri", quoted(sectorDocument))...))(t)
	if info.SubjectType != "pairwise" || info.SectorIdentifierURI != sectorDocument || w.times(sectorDocument) != 1 {
		t.Errorf("%+v, fetched %d times", info, w.times(sectorDocument))
	}
	if info := must(s.introduce())(t); info.SubjectType != "public" || info.SectorIdentifierURI != "" {
		t.Errorf("%+v", info)
	}
	must(s.introduce(pair()...))(t)
	must(s.introduce(pair("redirect_uris", `["http://127.0.0.1/cb"]`, "sector_identifier_uri", quoted(sectorDocument))...))(t)
	const bad = "400 invalid_client_metadata "
	for name, test := range map[string]struct {
		pairs []string
		want  string
	}{
		"two hosts":     {pair("redirect_uris", both), "sector_identifier_uri_invalid"},
		"on the device": {pair("redirect_uris", `["http://127.0.0.1/cb"]`), "sector_identifier_uri_invalid"},
		"not listed":    {pair("redirect_uris", `["https://app.example/other"]`, "sector_identifier_uri", quoted(sectorDocument)), "sector_identifier_uri_invalid"},
		"public":        {[]string{"redirect_uris", `["https://app.example/other"]`, "sector_identifier_uri", quoted(sectorDocument)}, "sector_identifier_uri_invalid"},
		"nothing there": {pair("sector_identifier_uri", `"https://nowhere.example/x"`), "sector_identifier_uri_invalid"},
		"http":          {pair("sector_identifier_uri", `"http://sector.example/redirects.json"`), "sector_identifier_uri_invalid"},
		"a number":      {pair("sector_identifier_uri", `1`), "sector_identifier_uri_invalid"},
		"a device":      {pair("grant_types", `["authorization_code",`+quoted(deviceCode)+`]`), "subject_type_invalid"},
		"unknown":       {[]string{"subject_type", `"ephemeral"`}, "subject_type_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.introduce(test.pairs...)
			registrationRefused(t, err, bad+test.want)
		})
	}
	// An update is held against the document as it is now.
	update := func(pairs ...string) error {
		_, err := s.UpdateRegistration(t.Context(), manage(info, info.RegistrationAccessToken, pair(append(pairs, "sector_identifier_uri", quoted(sectorDocument))...)...))
		return err
	}
	if err := update("redirect_uris", both); err != nil {
		t.Error(err)
	}
	registrationRefused(t, update("redirect_uris", `["https://app.example/new"]`), bad+"sector_identifier_uri_invalid")
	w.put(sectorDocument, 200, `["https://app.example/new"]`)
	if err := update("redirect_uris", `["https://app.example/new"]`); err != nil {
		t.Error(err)
	}
}

// A client that is named by its document is held to the same.
func TestOpenIDConnectRegistration_Section5_document(t *testing.T) {
	w := newWeb()
	s := newPairwise(t, documents(w))
	pairs := []string{"subject_type", `"pairwise"`, "sector_identifier_uri", quoted(sectorDocument)}
	visit := func(want string) {
		t.Helper()
		w.put(document, 200, describes(document, pairs...), "Cache-Control", "no-store")
		response, err := s.authorize(document, atApp())
		var got string
		if err != nil {
			got = codeOf(err)
		} else {
			got = s.outcome(t, response, err)
		}
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	visit("temporarily_unavailable client_document_unreachable")
	w.put(sectorDocument, 200, `["https://other.example/cb"]`)
	visit("invalid_client client_sector_invalid")
	w.put(sectorDocument, 200, `["https://app.example/cb"]`)
	visit("ask")
	w.put(sectorDocument, 500, ``)
	visit("ask") // the last one that was good stands in
	pairs = append(pairs[:2], "redirect_uris", `["https://app.example/cb","https://b.example/cb"]`)
	visit("invalid_client client_document_invalid")
}
