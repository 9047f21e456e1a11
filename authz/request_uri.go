package authz

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// Request objects by reference (RFC 9101 §5.2, OpenID Connect Core §6.2): the client names where
// one is, and the server gets it from there. It gets those alone that the client has registered,
// or anybody could make it call anybody (RFC 9101 §10.4.1). Once it is here it is one like those
// by value, and goes on as that: back from the sign-in page comes what was shown first, not what
// is there by then.

// requestDocuments are those that were fetched. One whose URL ends in its hash (Core §6.2)
// cannot become another, and is kept; any other is asked for each time, though not
// twice at once.
type requestDocuments struct {
	hashed, others *fetch.Cache[string]
}

var (
	errRequestHash  = errors.New("authz: the document's SHA-256 hash is not the fragment of its request_uri")
	errRequestEmpty = errors.New("authz: the document at the request_uri is empty")
)

func newRequestDocuments(client *http.Client, now func() time.Time) *requestDocuments {
	of := func(fresh time.Duration) *fetch.Cache[string] {
		return &fetch.Cache[string]{
			Fetcher: fetch.New(client), Kind: fetch.RequestObject, MaxBytes: maxParameter, Entries: 1000, Now: now,
			MinFresh: fresh, Default: fresh, MaxFresh: fresh, FailedFor: 5 * time.Second,
			Parse: func(address string, body []byte) (string, error) {
				if _, hash, hashed := strings.Cut(address, "#"); hashed && hash != requestHash(body) {
					return "", errRequestHash
				}
				object := strings.TrimSpace(string(body))
				if object == "" {
					return "", errRequestEmpty
				}
				return object, nil
			},
		}
	}
	return &requestDocuments{hashed: of(time.Hour), others: of(0)}
}

// requestHash is what OpenID Connect Core §6.2 has a request_uri end in.
func requestHash(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// checkRequestURI says what is wrong with a request_uri as a registration, nil if nothing is
// (RFC 9101 §5.2, OpenID Connect Registration §2).
func checkRequestURI(raw string) error {
	address, hash, hashed := strings.Cut(raw, "#")
	if err := fetch.Check(address); err != nil {
		return err
	}
	if b, err := strictBase64.DecodeString(hash); hashed && (err != nil || len(b) != sha256.Size) {
		return errors.New("its fragment must be the base64url form of the SHA-256 hash of what is there")
	}
	return nil
}

// registeredRequestURI reports whether a client has registered a request_uri: byte for byte, or,
// if it registered it without a hash, up to the hash.
func registeredRequestURI(c *Client, uri string) bool {
	address, _, _ := strings.Cut(uri, "#")
	return checkRequestURI(uri) == nil && (slices.Contains(c.RequestURIs, uri) || slices.Contains(c.RequestURIs, address))
}

// fetchRequestObject is the request object that the request refers to; empty if it refers to
// none, or this server does not get any. It runs once the client is known; faults are for an
// error page, as those of the request object are.
func (a *authorization) fetchRequestObject(ctx context.Context) (string, *Error) {
	uri := once(a.params, "request_uri")
	switch {
	case uri == "" || !a.config.RequestURIs:
		return "", nil
	case !registeredRequestURI(a.client, uri):
		return "", failed(invalidRequestURI, "request_uri_not_registered", "The request_uri is not registered for this client.")
	}
	cache := a.requestDocuments.others
	if strings.Contains(uri, "#") {
		cache = a.requestDocuments.hashed
	}
	// Whoever sends requests here makes the server knock there; see documents.client.
	failures := buckets(LimitClientDocuments, a.config.Limits.ClientDocuments, "", "", a.address)
	if !cache.Fresh(uri) {
		if refused := a.exhausted(ctx, failures); refused != nil {
			return "", refused
		}
	}
	var object string
	var err error
	beside(ctx, func(ctx context.Context) { object, err = cache.Get(ctx, uri) })
	switch {
	case errors.Is(err, errRequestHash):
		a.take(ctx, failures, 1)
		return "", failed(invalidRequestURI, "request_uri_hash_wrong", "What is at the request_uri does not have the hash that it ends in.")
	case err != nil: // RFC 9101 §7
		a.take(ctx, failures, 1)
		return "", failed(invalidRequestURI, "request_uri_unreachable", "The request object could not be fetched from the request_uri.").because(err)
	}
	return object, nil
}

// requestURIs fills in and checks what a client says of its request_uris.
func (m clientMetadata) requestURIs(c *Client) (err *Error) {
	if c.RequestURIs, err = m.texts("request_uris"); err != nil {
		return err
	}
	for _, uri := range c.RequestURIs {
		if len(uri) > maxMetadataURL || checkRequestURI(uri) != nil {
			return badMetadata("request_uris", "holds one that is no https URL, or ends in what is no SHA-256 hash")
		}
	}
	return nil
}
