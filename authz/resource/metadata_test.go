package resource_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/resource"
)

func TestRFC8414_Section3_Discovery(t *testing.T) {
	key := ecKey(t, "k")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}))
	defer elsewhere.Close()
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	document := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { writeJSON(w, v) }
	}
	for name, c := range map[string]struct {
		change func(*issuer)
		want   outcome
	}{
		"as_it_should":         {func(is *issuer) {}, good},
		"keys_on_another_host": {func(is *issuer) { is.metadata = document(map[string]any{"issuer": is.URL, "jwks_uri": elsewhere.URL}) }, good},
		"issuer_differs": {func(is *issuer) {
			is.metadata = document(map[string]any{"issuer": is.URL + "/", "jwks_uri": is.URL + "/jwks"})
		}, unknown},
		"issuer_missing": {func(is *issuer) { is.metadata = document(map[string]any{"jwks_uri": is.URL + "/jwks"}) }, unknown},
		"issuer_twice": {func(is *issuer) {
			is.metadata = text(`{"issuer":"x","issuer":"` + is.URL + `","jwks_uri":"` + is.URL + `/jwks"}`)
		}, unknown},
		"issuer_in_other_case": {func(is *issuer) {
			is.metadata = document(map[string]any{"Issuer": is.URL, "jwks_uri": is.URL + "/jwks"})
		}, unknown},
		"jwks_uri_missing": {func(is *issuer) { is.metadata = document(map[string]any{"issuer": is.URL}) }, unknown},
		"jwks_uri_http": {func(is *issuer) {
			is.metadata = document(map[string]any{"issuer": is.URL, "jwks_uri": "http://example.com/jwks"})
		}, unknown},
		"jwks_uri_file":          {func(is *issuer) { is.metadata = document(map[string]any{"issuer": is.URL, "jwks_uri": "file:///jwks"}) }, unknown},
		"metadata_absent":        {func(is *issuer) { is.metadata = fail(http.StatusNotFound) }, unknown},
		"metadata_html":          {func(is *issuer) { is.metadata = text("<html>") }, unknown},
		"metadata_elsewhere":     {func(is *issuer) { is.metadata = redirect(elsewhere.URL) }, unknown},
		"jwks_redirect_here":     {func(is *issuer) { is.jwks = redirectOnce(key) }, good},
		"jwks_redirect_away":     {func(is *issuer) { is.jwks = redirect(elsewhere.URL) }, unknown},
		"jwks_redirect_for_ever": {func(is *issuer) { is.jwks = redirect("/jwks") }, unknown},
		"jwks_html":              {func(is *issuer) { is.jwks = text("<html>") }, unknown},
		"jwks_without_keys":      {func(is *issuer) { is.jwks = text("{}") }, unknown},
		"jwks_huge":              {func(is *issuer) { is.jwks = withSpace(t, key) }, unknown},
		"jwks_deep":              {func(is *issuer) { is.jwks = text(`{"keys":` + strings.Repeat("[", 200_000)) }, unknown},
		"jwks_many_keys":         {func(is *issuer) { is.jwks = text(`{"keys":[` + strings.Repeat("{},", 200) + `{}]}`) }, unknown},
		"jwks_cut_off": {func(is *issuer) {
			is.jwks = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, `{"keys":[`)
			}
		}, unknown},
		"jwks_with_keys_of_unknown_kind": {func(is *issuer) { is.jwks = withOddKeys(t, key) }, good},
		"no_content":                     {func(is *issuer) { is.jwks = fail(http.StatusNoContent) }, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is := newIssuer(t, key)
			is.set(func() { c.change(is) })
			expect(t, newJWKS(t, is, nil), sign(t, key, nil, is.claims(nil)), c.want)
		})
	}
}

// RFC 8414 §3.1: the well-known part goes between the host and the issuer's path.
func TestRFC8414_Section3_1_IssuerWithPath(t *testing.T) {
	key := ecKey(t, "k")
	var name string
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/.well-known/oauth-authorization-server/tenant/1", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"issuer": name, "jwks_uri": server.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	is := &issuer{Server: server}
	for _, path := range []string{"/tenant/1", "/tenant/1/"} {
		name = server.URL + path
		v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.Issuer = name })
		expect(t, v, sign(t, key, nil, is.claims(map[string]any{"iss": name})), good)
	}
}

// An issuer with TLS cannot send us to keys without.
func TestHTTPSIssuerNeedsHTTPSKeys(t *testing.T) {
	key := ecKey(t, "k")
	plain := newIssuer(t, key)
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"issuer": server.URL, "jwks_uri": plain.URL + "/jwks"})
	}))
	defer server.Close()
	is := &issuer{Server: server}
	v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.HTTPClient = server.Client() })
	expect(t, v, sign(t, key, nil, is.claims(nil)), unknown)
	expectFetches(t, plain, 0)
}

func TestKeysFromAGivenURL(t *testing.T) {
	key := ecKey(t, "k")
	is := newIssuer(t, key)
	is.metadata = fail(http.StatusNotFound)
	v := newJWKS(t, is, func(c *resource.JWKSConfig) { c.URL = is.URL + "/jwks" })
	expect(t, v, sign(t, key, nil, is.claims(nil)), good)
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s) }
}

func redirectOnce(key jose.JSONWebKey) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "v=2" {
			http.Redirect(w, r, "/jwks?v=2", http.StatusMovedPermanently)
			return
		}
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}
}

// withSpace is a key set that is right but for its length.
func withSpace(t *testing.T, key jose.JSONWebKey) http.HandlerFunc {
	public := key.Public()
	b, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text(`{"keys":[` + string(b) + `]}` + strings.Repeat(" ", 1<<20))
}

func withOddKeys(t *testing.T, key jose.JSONWebKey) http.HandlerFunc {
	public := key.Public()
	b, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text(`{"keys":[{"kty":"XYZ","kid":"k"},{"kty":"oct","k":"AAAA","kid":"k"},{"kty":"EC","kid":"k"},17,null,` + string(b) + `]}`)
}
