package authz

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/grantor-oauth/grantor/storage"
)

// Client configuration (RFC 7592). The registration access token is rotated by every
// update, and the one that the update was asked with goes on working until its successor
// has been used: an answer that got lost must not lock the client out (RFC 7592 §3, §5).

// registrationTokenPrefix lets secret scanners find these tokens.
const registrationTokenPrefix = "grt_"

// newRegistrationToken makes a token of 256 random bits and its digest.
func newRegistrationToken() (token, digest string) {
	var b [32]byte
	rand.Read(b[:])
	token = registrationTokenPrefix + strictBase64.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(token))
	return token, "$sha256$" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// ReadRegistration tells a client what is registered of it (RFC 7592 §2.1). Its secret is
// not told again: only a digest of it is kept.
func (s *Server) ReadRegistration(ctx context.Context, req *RegistrationRequest) (*ClientInformation, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	defer s.registrations.lock(req.ClientID)()
	client, token, err := s.authenticateRegistration(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, "", "")
	}
	if newest, older, both := strings.Cut(client.RegistrationAccessToken, " "); both && older != "" && s.tokenFits(ctx, newest, token) {
		client.RegistrationAccessToken = newest // the successor has arrived
		err := s.config.Storage.PutClient(ctx, *client)
		// If another process has changed it meanwhile, the older token goes the next time.
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			return nil, s.report(ctx, notStored(err), client.ID, "")
		}
	}
	return s.information(&proposal{client: client}, "", token), nil
}

// UpdateRegistration replaces what is registered of a client (RFC 7592 §2.2), by the same
// rules as a registration: what is left out is gone, and what the host changed by hand is
// too, unless Registration.Policy sees to it.
func (s *Server) UpdateRegistration(ctx context.Context, req *RegistrationRequest) (*ClientInformation, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	defer s.registrations.lock(req.ClientID)()
	client, token, err := s.authenticateRegistration(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, "", "")
	}
	information, err := s.update(ctx, req, client, token)
	if err != nil {
		return nil, s.report(ctx, err, client.ID, "")
	}
	s.emit(ctx, Event{Type: ClientUpdated, ClientID: client.ID})
	return information, nil
}

func (s *Server) update(ctx context.Context, req *RegistrationRequest, previous *Client, presented string) (*ClientInformation, *Error) {
	p, err := s.propose(ctx, req.Body, previous)
	if err != nil {
		return nil, err
	}
	if err := s.checkUpdate(ctx, p.metadata, previous); err != nil {
		return nil, err
	}
	c := p.client
	c.ID, c.CreatedAt, c.ExpiresAt = previous.ID, previous.CreatedAt, previous.ExpiresAt
	secret := ""
	if secretMethod(c.TokenEndpointAuthMethod) {
		if c.Secrets = previous.Secrets; len(c.Secrets) == 0 {
			var hashed storage.Secret
			secret, hashed = NewSecret()
			c.Secrets = []storage.Secret{hashed}
		}
	}
	if err := s.accept(ctx, p); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(presented))
	token, digest := newRegistrationToken()
	p.client.Revision = previous.Revision
	p.client.RegistrationAccessToken = digest + " $sha256$" + base64.RawStdEncoding.EncodeToString(sum[:])
	if err := s.config.Storage.PutClient(ctx, *p.client); err != nil {
		return nil, notStored(err)
	}
	return s.information(p, secret, token), nil
}

// checkUpdate: RFC 7592 §2.2, the client says its own client_id, its current secret if any,
// and nothing that is the server's to say.
func (s *Server) checkUpdate(ctx context.Context, m clientMetadata, previous *Client) *Error {
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, there := m[name]; there {
			return badMetadata(name, "is the server's to say and must be left out")
		}
	}
	id, err := m.text("client_id", maxMetadataURL)
	if err != nil {
		return err
	}
	if id != previous.ID {
		return badMetadata("client_id", "must be the one that is being updated")
	}
	secret, err := m.text("client_secret", maxMetadataText)
	if err != nil || secret == "" {
		return err
	}
	switch right, err := s.secrets.match(ctx, previous, secret, s.now()); {
	case err != nil:
		return unavailable(err)
	case !right:
		return badMetadata("client_secret", "must be the current one, or be left out")
	}
	return nil
}

// DeleteRegistration removes a client (RFC 7592 §2.3). Its codes and tokens are dead with
// it; a resource server that validates JWTs by itself learns of it when they expire.
func (s *Server) DeleteRegistration(ctx context.Context, req *RegistrationRequest) error {
	ctx, release := s.bounded(ctx)
	defer release()
	defer s.registrations.lock(req.ClientID)()
	client, _, err := s.authenticateRegistration(ctx, req)
	if err != nil {
		return s.report(ctx, err, "", "")
	}
	if err := s.config.Storage.DeleteClient(ctx, client.ID); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return s.report(ctx, notStored(err), client.ID, "")
	}
	s.emit(ctx, Event{Type: ClientDeleted, ClientID: client.ID, Reason: "by_client"})
	return nil
}

// authenticateRegistration finds the client that a request is about, if it brings that
// client's token. Whatever is wrong, the answer is the same (RFC 7592 §2, §5).
func (s *Server) authenticateRegistration(ctx context.Context, req *RegistrationRequest) (*Client, string, *Error) {
	if s.config.Registration == nil {
		return nil, "", registrationOff()
	}
	token, ok := bearer(req.Authorization)
	if !ok || !strings.HasPrefix(req.ClientID, registeredPrefix) || !clientID(req.ClientID) {
		return nil, "", badRegistrationToken()
	}
	client, _, err := s.registeredClient(ctx, req.ClientID)
	if err != nil {
		return nil, "", unavailable(err)
	}
	if client != nil {
		for digest := range strings.FieldsSeq(client.RegistrationAccessToken) {
			if s.tokenFits(ctx, digest, token) {
				return cloneClient(client), token, nil
			}
		}
	}
	return nil, "", badRegistrationToken()
}

func (s *Server) tokenFits(ctx context.Context, digest, token string) bool {
	fits, err := s.secrets.fits(ctx, digest, token)
	return err == nil && fits && strings.HasPrefix(digest, "$sha256$")
}

func badRegistrationToken() *Error {
	return failed(invalidBearer, "registration_token_invalid", "The registration access token is not valid.")
}
