package authz

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/jwe"
)

// Answers that are encrypted to the client (RFC 7516): OpenID Connect Core §10.2, §16.14, RFC
// 9701 §5, JARM §2.2. What is signed is signed first, and then encrypted as it is, as a nested JWT
// (RFC 7519 §11.2).

// encryption is what a client registers about the encryption of one thing.
type encryption struct {
	field  string // of Client, without Alg and Enc
	member string // of client metadata, without _alg and _enc
	list   string // of server metadata, without _alg_values_supported
	alg    *string
	enc    *string

	openID   bool // it is for OpenID Connect alone
	toServer bool // the client encrypts
}

func encryptionsOf(c *Client) []encryption {
	return []encryption{
		{"IDTokenEncryptedResponse", "id_token_encrypted_response", "id_token_encryption", &c.IDTokenEncryptedResponseAlg, &c.IDTokenEncryptedResponseEnc, true, false},
		{"UserInfoEncryptedResponse", "userinfo_encrypted_response", "userinfo_encryption", &c.UserInfoEncryptedResponseAlg, &c.UserInfoEncryptedResponseEnc, true, false},
		{"IntrospectionEncryptedResponse", "introspection_encrypted_response", "introspection_encryption", &c.IntrospectionEncryptedResponseAlg, &c.IntrospectionEncryptedResponseEnc, false, false},
		{"AuthorizationEncryptedResponse", "authorization_encrypted_response", "authorization_encryption", &c.AuthorizationEncryptedResponseAlg, &c.AuthorizationEncryptedResponseEnc, false, false},
		{"RequestObjectEncryption", "request_object_encryption", "request_object_encryption", &c.RequestObjectEncryptionAlg, &c.RequestObjectEncryptionEnc, false, true},
	}
}

// encryptionMetadata fills in what a client registers about encryption. Who wants an answer
// encrypted must not get it in clear unawares, so that what cannot be had is refused.
func (s *Server) encryptionMetadata(m clientMetadata, c *Client) (err *Error) {
	for _, e := range encryptionsOf(c) {
		algName, encName := e.member+"_alg", e.member+"_enc"
		if e.openID && !s.config.openID() {
			continue
		}
		if *e.alg, err = m.text(algName, maxMetadataText); err != nil {
			return err
		}
		if *e.enc, err = m.text(encName, maxMetadataText); err != nil {
			return err
		}
		switch {
		case *e.alg == "" && *e.enc == "":
		case e.toServer && !s.config.RequestObjectEncryption:
			if *e.alg == "" {
				algName = encName
			}
			return badMetadata(algName, "is not supported here: request objects are signed, and not encrypted")
		case *e.alg == "":
			return badMetadata(encName, "needs "+algName)
		case !slices.Contains(jwe.KeyAlgorithms(), *e.alg):
			return badMetadata(algName, "is none of "+e.list+"_alg_values_supported")
		case *e.enc == "":
			*e.enc = jwe.Default
		case !slices.Contains(jwe.ContentEncryptions(), *e.enc):
			return badMetadata(encName, "is none of "+e.list+"_enc_values_supported")
		}
	}
	return nil
}

// checkEncryption finds the faults in what a client has registered about encryption.
func (s *Server) checkEncryption(c *Client, fault func(field, format string, args ...any)) {
	for _, e := range encryptionsOf(c) {
		switch {
		case *e.alg == "" && *e.enc == "":
			continue
		case e.toServer && !s.config.RequestObjectEncryption:
			fault(e.field+"Alg", "needs Config.RequestObjectEncryption; turn that on, or take it out")
			continue
		case *e.alg == "":
			fault(e.field+"Alg", "is empty, and %sEnc is not; set both, or neither", e.field)
			continue
		case !slices.Contains(jwe.KeyAlgorithms(), *e.alg):
			fault(e.field+"Alg", "is %q; use one of %s", *e.alg, strings.Join(jwe.KeyAlgorithms(), ", "))
			continue
		case *e.enc != "" && !slices.Contains(jwe.ContentEncryptions(), *e.enc):
			fault(e.field+"Enc", "is %q; use one of %s", *e.enc, strings.Join(jwe.ContentEncryptions(), ", "))
		}
		if e.toServer || c.JWKSURI != "" {
			continue
		}
		if c.JWKS == "" {
			fault("JWKS", "is empty, and JWKSURI too; %sAlg needs the client's public key", e.field)
		} else if keys, _, err := parseKeys([]byte(c.JWKS)); err == nil && encryptionKey(keys, *e.alg) == nil {
			fault("JWKS", "holds no key for %sAlg, %s", e.field, *e.alg)
		}
	}
}

// encryptionKey is the one of these keys to encrypt to with an algorithm: the first that says
// that it is for encryption, or else the first that does not say what it is for; nil for none.
func encryptionKey(keys []jose.JSONWebKey, algorithm string) (found *jose.JSONWebKey) {
	for i := range keys {
		key := &keys[i]
		if key.Use == "sig" || key.Algorithm != "" && key.Algorithm != algorithm || !jwe.Fits(key.Key, algorithm) {
			continue
		}
		if key.Use == "enc" {
			return key
		}
		if found == nil {
			found = key
		}
	}
	return found
}

// encrypted is an answer as the client has registered to get it: encrypted with alg and enc, or
// as it is where alg is empty. contentType is the cty of what is inside: see jwe.Encrypt. If it
// cannot be encrypted there is no answer.
func (s *Server) encrypted(ctx context.Context, client *Client, alg, enc, contentType, plain string) (string, *Error) {
	if alg == "" {
		return plain, nil
	}
	if enc == "" {
		enc = jwe.Default
	}
	if !slices.Contains(jwe.KeyAlgorithms(), alg) || !slices.Contains(jwe.ContentEncryptions(), enc) { // in a host's own storage
		return "", broken("encryption_alg_unknown", fmt.Errorf("client %q has registered for answers encrypted with %q and %q; use one of %q, and one of %q", client.ID, alg, enc, jwe.KeyAlgorithms(), jwe.ContentEncryptions()))
	}
	if client.JWKS == "" && client.JWKSURI == "" {
		return "", noEncryptionKey(client)
	}
	var key *jose.JSONWebKey
	var err error
	beside(ctx, func(ctx context.Context) {
		_, err = s.clientKeys.among(ctx, client.JWKS, client.JWKSURI, func(keys []jose.JSONWebKey) bool {
			key = encryptionKey(keys, alg)
			return key != nil
		})
	})
	switch {
	case err != nil:
		return "", keysUnavailable(err)
	case key == nil:
		return "", noEncryptionKey(client)
	}
	compact, err := jwe.Encrypt(key, alg, enc, contentType, []byte(plain))
	if err != nil {
		return "", broken("encryption_failed", err)
	}
	return compact, nil
}

// nestedJWT is the cty of an encrypted JWT (RFC 7519 §5.2).
const nestedJWT = "JWT"

// noEncryptionKey is what the client is told whose keys have changed since it was registered.
func noEncryptionKey(client *Client) *Error {
	return failed(invalidRequest, "encryption_key_missing", "The client has registered for encrypted answers, and none of its keys is for the algorithm that it named.").
		because(fmt.Errorf("client %q publishes no key to encrypt to", client.ID))
}

// describeEncryption adds what OpenID Connect Discovery §3, RFC 9701 §7 and JARM §4 ask for.
func (s *Server) describeEncryption(m *Metadata) {
	m.IntrospectionEncryptionAlgValuesSupported, m.IntrospectionEncryptionEncValuesSupported = jwe.KeyAlgorithms(), jwe.ContentEncryptions()
	m.AuthorizationEncryptionAlgValuesSupported, m.AuthorizationEncryptionEncValuesSupported = jwe.KeyAlgorithms(), jwe.ContentEncryptions()
	if s.config.openID() {
		m.IDTokenEncryptionAlgValuesSupported, m.IDTokenEncryptionEncValuesSupported = jwe.KeyAlgorithms(), jwe.ContentEncryptions()
		m.UserInfoEncryptionAlgValuesSupported, m.UserInfoEncryptionEncValuesSupported = jwe.KeyAlgorithms(), jwe.ContentEncryptions()
	}
	if s.config.RequestObjectEncryption {
		m.RequestObjectEncryptionAlgValuesSupported, m.RequestObjectEncryptionEncValuesSupported = jwe.KeyAlgorithms(), jwe.ContentEncryptions()
	}
}
