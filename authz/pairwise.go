package authz

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// Pairwise subjects (OpenID Connect Core §8): a client is told a name of the user that clients
// of other sectors are not, so that they cannot find out together what the user does. Only
// what a client is told is translated; hooks, events, the store and resource servers go by the
// host's own name.

// The subject types (OpenID Connect Core §8).
const (
	subjectPublic   = "public"
	subjectPairwise = "pairwise"
)

// pairwise reports whether a client must not learn the host's name of a user. A host's own
// client storage may hold a type that is none; that is never taken for the weaker one.
func pairwise(c *Client) bool { return c.SubjectType != "" && c.SubjectType != subjectPublic }

// subjectTypes are those that clients may have.
func (c *Config) subjectTypes() []string {
	if c.PairwiseKey == nil {
		return []string{subjectPublic}
	}
	return []string{subjectPublic, subjectPairwise}
}

// subjectFor is what a client calls the user whom the host calls subject: for pairwise
// subjects a keyed hash of sector and subject (OpenID Connect Core §8.1).
func (s *Server) subjectFor(c *Client, subject string) (string, *Error) {
	if !pairwise(c) {
		return subject, nil
	}
	sector, refused := s.sectorFor(c)
	if refused != nil {
		return "", refused
	}
	hash := hmac.New(sha256.New, s.config.PairwiseKey)
	// A host holds no NUL, and the subject comes last, so nothing can be read in two ways.
	// The issuer is left out: users stay who they are when the server changes its name.
	hash.Write([]byte("grantor pairwise subject\x00" + sector + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)), nil
}

// sectorFor is the sector of a client with pairwise subjects. It fails for one that came to be
// unchecked, or before the configuration changed: the host's own name is no way out.
func (s *Server) sectorFor(c *Client) (string, *Error) {
	var err error
	sector := ""
	switch {
	case c.SubjectType != subjectPairwise:
		err = fmt.Errorf("it has the SubjectType %.100q; use public or pairwise", c.SubjectType)
	case s.config.PairwiseKey == nil:
		err = errors.New("it has pairwise subjects, and Config.PairwiseKey is gone; put it back")
	default:
		sector, err = sectorOf(c)
	}
	if err != nil {
		return "", broken("pairwise_subject_impossible", fmt.Errorf("client %q: %w", c.ID, err))
	}
	return sector, nil
}

// sectorOf is the host that makes a client's sector (OpenID Connect Core §8.1): that of its
// SectorIdentifierURI, or the only one that its redirect URIs have. A redirect URI on the user's
// device names no host that is the client's, for it is the same for all of them.
func sectorOf(c *Client) (string, error) {
	if c.SectorIdentifierURI != "" {
		if sector := sectorHost(c.SectorIdentifierURI); sector != "" {
			return sector, nil
		}
		return "", errors.New("it names no host")
	}
	sector := ""
	for _, uri := range c.RedirectURIs {
		host := sectorHost(uri)
		switch {
		case host == "" || onDevice(uri):
			return "", fmt.Errorf("is empty, and pairwise subjects need it: the redirect URI %q leads to the user's device, which is nobody's sector", uri)
		case sector != "" && host != sector:
			return "", fmt.Errorf("is empty, and pairwise subjects need it: the redirect URIs have the hosts %q and %q (OpenID Connect Core §8.1)", sector, host)
		}
		sector = host
	}
	if sector == "" {
		return "", errors.New("is empty, and pairwise subjects need it: there is no redirect URI to tell the sector by")
	}
	return sector, nil
}

// sectorHost is the host of a URL without its port, in the one way to write it.
func sectorHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// checkSubjectType says what is wrong with what a client is to be told of its users.
func (s *Server) checkSubjectType(c *Client, fault func(field, format string, args ...any)) {
	if c.SectorIdentifierURI != "" {
		if err := fetch.Check(c.SectorIdentifierURI); err != nil {
			fault("SectorIdentifierURI", "%q: %v", c.SectorIdentifierURI, err)
			return
		}
	}
	switch c.SubjectType {
	case "", subjectPublic:
		return
	case subjectPairwise:
	default:
		fault("SubjectType", "is %q; use public or pairwise", c.SubjectType)
		return
	}
	if s.config.PairwiseKey == nil {
		fault("SubjectType", "is pairwise, which needs Config.PairwiseKey; put 32 random bytes there that never change, made once with: openssl rand -base64 32")
	}
	if _, err := sectorOf(c); err != nil {
		fault("SectorIdentifierURI", "%v", err)
	}
	if c.ResourceServer {
		fault("SubjectType", "is pairwise, and a ResourceServer has to know the host's own subjects; register two clients")
	}
	if c.AccessTokenFormat == "jwt" {
		fault("AccessTokenFormat", "is jwt, in which a client with pairwise subjects could read the host's own; leave it empty, and the tokens are opaque")
	}
}
