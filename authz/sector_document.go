package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// The document at a client's SectorIdentifierURI (OpenID Connect Registration §5): a JSON array
// of redirect URIs, by which the host there says that the client belongs to its sector.

const maxSectorDocument = 64 << 10

// errSector means that the document was had, and does not vouch for the client.
var errSector = errors.New("the document there")

// checkSectorDocument makes sure, when a client is registered or changed, that all of its
// redirect URIs are in the document. Afterwards it is not looked at again, as §5 allows.
func (s *Server) checkSectorDocument(ctx context.Context, c *Client) error {
	if c.SectorIdentifierURI == "" {
		return nil
	}
	var body []byte
	var err error
	beside(ctx, func(ctx context.Context) {
		document, failed := s.sectors.JSON(ctx, c.SectorIdentifierURI, maxSectorDocument)
		if err = failed; err == nil {
			body = document.Body
		}
	})
	if err != nil {
		return err
	}
	var items []*string
	if err := json.Unmarshal(body, &items); err != nil || items == nil || slices.Contains(items, nil) {
		return fmt.Errorf("%w is not a JSON array of strings", errSector)
	}
	for _, uri := range c.RedirectURIs {
		if !slices.ContainsFunc(items, func(item *string) bool { return *item == uri }) {
			return fmt.Errorf("%w does not hold the redirect URI %q; add it there, byte for byte", errSector, uri)
		}
	}
	return nil
}

// sectorMetadata: what a client that introduces itself says of its sector has to be beyond doubt.
// Whose the redirect URIs are shows when codes go there. Where a user's tokens come by
// another way, anybody could name the redirect URIs of another sector.
func (s *Server) sectorMetadata(c *Client) *Error {
	if !pairwise(c) {
		return nil
	}
	if len(c.RedirectURIs) == 0 || len(without(c.GrantTypes, []string{grantAuthorizationCode, grantImplicit, grantRefreshToken, grantClientCredentials})) > 0 {
		return badMetadata("subject_type", "can be pairwise only for clients that get the tokens of users by redirect")
	}
	if _, err := sectorOf(c); err != nil {
		return badMetadata("sector_identifier_uri", "is missing, and the redirect URIs do not have one host between them that could be the sector").because(err)
	}
	return nil
}
