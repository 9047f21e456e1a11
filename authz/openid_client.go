package authz

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// openIDMetadata fills in what OpenID Connect Registration §2 adds, where that is on. Who wants
// pairwise subjects must not get the contrary unawares.
func (s *Server) openIDMetadata(m clientMetadata, c *Client) (err *Error) {
	if !s.config.openID() {
		return nil
	}
	if c.IDTokenSignedResponseAlg, err = m.text("id_token_signed_response_alg", maxMetadataText); err != nil {
		return err
	}
	if c.UserInfoSignedResponseAlg, err = m.text("userinfo_signed_response_alg", maxMetadataText); err != nil {
		return err
	}
	for name, alg := range map[string]string{"id_token_signed_response_alg": c.IDTokenSignedResponseAlg, "userinfo_signed_response_alg": c.UserInfoSignedResponseAlg} {
		if alg != "" && !slices.Contains(s.config.SigningAlgorithms, alg) {
			return badMetadata(name, "is not an algorithm that this server signs with")
		}
	}
	if c.SubjectType, err = m.text("subject_type", maxMetadataText); err != nil {
		return err
	}
	if c.SubjectType != "" && !slices.Contains(s.config.subjectTypes(), c.SubjectType) {
		return badMetadata("subject_type", "is none of subject_types_supported")
	}
	if s.config.PairwiseKey != nil { // otherwise it means nothing here
		if c.SectorIdentifierURI, err = m.text("sector_identifier_uri", maxMetadataURL); err != nil {
			return err
		}
		if c.SectorIdentifierURI != "" && fetch.Check(c.SectorIdentifierURI) != nil {
			return badMetadata("sector_identifier_uri", "must be an https URL")
		}
	}
	if c.PostLogoutRedirectURIs, err = m.texts("post_logout_redirect_uris"); err != nil {
		return err
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if checkPostLogoutRedirectURI(uri, c.ApplicationType == "native") != nil {
			return badMetadata("post_logout_redirect_uris", "holds one that cannot be used")
		}
	}
	if err := s.logoutMetadata(m, c); err != nil {
		return err
	}
	if c.InitiateLoginURI, err = m.text("initiate_login_uri", maxMetadataURL); err != nil {
		return err
	}
	if c.InitiateLoginURI != "" && fetch.Check(c.InitiateLoginURI) != nil {
		return badMetadata("initiate_login_uri", "must be an https URL")
	}
	if raw, there := m["default_max_age"]; there {
		var seconds float64
		if json.Unmarshal(raw, &seconds) != nil || seconds < 0 || seconds > maxAgeSeconds {
			return badMetadata("default_max_age", "must be a number of seconds")
		}
		c.DefaultMaxAge = time.Duration(seconds) * time.Second
	}
	return nil
}

// maxAgeSeconds is ten years, more than anybody stays signed in.
const maxAgeSeconds = 10 * 365 * 24 * 60 * 60
