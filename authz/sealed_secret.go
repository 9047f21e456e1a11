package authz

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
)

// minSealedSecret is the shortest key of HS256 (RFC 7518 §3.2), in bytes.
const minSealedSecret = 32

const (
	sealedPrefix  = "$sealed$"
	sealedPurpose = "client secret"
)

// SealSecret prepares a secret for Client.Secrets of a client that authenticates by
// client_secret_jwt (OpenID Connect Core §9). encryptionKey is Config.EncryptionKey.
//
// To check what was signed with a secret the server must have the secret: a digest, which is
// all that it keeps of others, will not do. That is the price of this method: whoever gets
// hold of the storage and of the key has these secrets. private_key_jwt does not have it.
//
// The secret must have at least 32 bytes, as those of [NewSecret] do; HS384 and HS512 need
// 48 and 64 (RFC 7518 §3.2).
func SealSecret(encryptionKey []byte, secret string) (storage.Secret, error) {
	if len(encryptionKey) != 32 {
		return storage.Secret{}, fmt.Errorf("authz: SealSecret: the key has %d bytes; give Config.EncryptionKey, 32 random ones", len(encryptionKey))
	}
	if len(secret) < minSealedSecret {
		return storage.Secret{}, fmt.Errorf("authz: SealSecret: the secret is shorter than %d bytes; take one from NewSecret", minSealedSecret)
	}
	sealed, err := keyring.SealFor(string(encryptionKey), sealedPurpose, []byte(secret))
	if err != nil {
		return storage.Secret{}, fmt.Errorf("authz: SealSecret: %w", err)
	}
	return storage.Secret{Hash: sealedPrefix + base64.RawStdEncoding.EncodeToString(sealed)}, nil
}

func sealed(secret storage.Secret) bool { return strings.HasPrefix(secret.Hash, sealedPrefix) }

// openSecret is the secret that SealSecret was given.
func (s *Server) openSecret(secret storage.Secret) ([]byte, error) {
	if s.config.EncryptionKey == nil {
		return nil, errors.New("there is no Config.EncryptionKey")
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(secret.Hash, sealedPrefix))
	if err != nil || !sealed(secret) {
		return nil, errors.New("it is not one that SealSecret made")
	}
	plain, err := keyring.UnsealWith(string(s.config.EncryptionKey), sealedPurpose, b)
	if err != nil {
		return nil, errors.New("it does not open with Config.EncryptionKey")
	}
	return plain, nil
}

// signedWithSecret reports whether one of the client's live secrets has signed t.
func (s *Server) signedWithSecret(client *Client, t *foreignJWT, now time.Time) bool {
	for _, secret := range client.Secrets {
		if !secret.ExpiresAt.IsZero() && !now.Before(secret.ExpiresAt) {
			continue
		}
		if plain, err := s.openSecret(secret); err == nil && t.signedWith(plain) {
			return true
		}
	}
	return false
}
