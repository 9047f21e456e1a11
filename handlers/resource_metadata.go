package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// resourceMetadata are the metadata documents of the resources that live under the issuer's
// origin (RFC 9728 §3), by path. Those of others are for others to serve: see
// [protect.Metadata].
func resourceMetadata(as *authz.Server) map[string]http.Handler {
	documents := map[string]http.Handler{}
	for _, r := range as.Resources() {
		place, path := metadataPlace(as, r.Identifier)
		if place == "" {
			continue
		}
		m := protect.Metadata{
			Resource:             r.Identifier,
			AuthorizationServers: []string{as.Issuer()},
			ScopesSupported:      r.Scopes,
			Name:                 r.Name,

			TLSClientCertificateBoundAccessTokens: as.Metadata().TLSClientCertificateBoundAccessTokens,
			DPoPSigningAlgValuesSupported:         as.Metadata().DPoPSigningAlgValuesSupported,
		}
		if len(m.ScopesSupported) == 0 {
			m.ScopesSupported = as.Metadata().ScopesSupported
		}
		documents[path] = m.Handler()
	}
	return documents
}

// metadataPlace is where Mount serves the metadata of a resource, empty if it does not.
func metadataPlace(as *authz.Server, identifier string) (address, path string) {
	if !slices.ContainsFunc(as.Resources(), func(r authz.Resource) bool { return r.Identifier == identifier }) {
		return "", ""
	}
	address, err := protect.MetadataURL(identifier)
	if err != nil || strings.Contains(identifier, "?") {
		return "", ""
	}
	issuer, err := url.Parse(as.Issuer())
	if err != nil {
		return "", ""
	}
	path, ours := strings.CutPrefix(address, issuer.Scheme+"://"+issuer.Host)
	if !ours || !strings.HasPrefix(path, "/") {
		return "", ""
	}
	return address, path
}
