package self

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/storage"
)

// record is a client's record, of its metadata: the names are the same but where the record
// has another type.
func record(id string, metadata map[string]any) (storage.Client, error) {
	var c storage.Client
	own := map[string]any{}
	for name, value := range metadata {
		switch name {
		case "scope":
			own["scopes"] = strings.Fields(fmt.Sprint(value))
		case "jwks":
			text, err := json.Marshal(value)
			if err != nil {
				return c, err
			}
			own["jwks"] = string(text)
		case "default_max_age":
			seconds, _ := value.(int)
			own[name] = time.Duration(seconds) * time.Second
		default:
			own[name] = value
		}
	}
	text, err := json.Marshal(own)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, err
	}
	c.ID = id
	return c, nil
}

func (s *Site) newClient(ctx context.Context, metadata map[string]any) (conformance.Client, error) {
	made := conformance.Client{ID: "c-" + strings.ToLower(rand.Text()), Metadata: metadata}
	c, err := record(made.ID, metadata)
	if err != nil {
		return made, err
	}
	switch c.TokenEndpointAuthMethod {
	case "client_secret_basic", "client_secret_post":
		secret, hashed := authz.NewSecret()
		made.Secret, c.Secrets = secret, []storage.Secret{hashed}
	case "client_secret_jwt":
		secret, _ := authz.NewSecret()
		sealed, err := authz.SealSecret(s.encryptionKey, secret)
		if err != nil {
			return made, err
		}
		made.Secret, c.Secrets = secret, []storage.Secret{sealed}
	case "tls_client_auth":
		subject := pkix.Name{CommonName: made.ID, Organization: []string{"Conformance"}}
		if c.TLSClientAuthSubjectDN == "" {
			c.TLSClientAuthSubjectDN = subject.String()
		}
		if made.CertificatePEM, made.KeyPEM, err = s.authority.vouch(subject); err != nil {
			return made, err
		}
	}
	return made, s.Server.RegisterClient(ctx, c)
}

// changeClient keeps the secrets, and what else metadata does not say.
func (s *Site) changeClient(ctx context.Context, id string, metadata map[string]any) error {
	if metadata == nil {
		return s.store.DeleteClient(ctx, id)
	}
	was, err := s.store.Client(ctx, id)
	if err != nil {
		return err
	}
	c, err := record(id, metadata)
	if err != nil {
		return err
	}
	c.Secrets, c.CreatedAt, c.Revision = was.Secrets, was.CreatedAt, was.Revision
	return s.Server.RegisterClient(ctx, c)
}

func (s *Site) disableClient(ctx context.Context, id string) error {
	c, err := s.store.Client(ctx, id)
	if err != nil {
		return err
	}
	c.Disabled = true
	return s.store.PutClient(ctx, *c)
}
