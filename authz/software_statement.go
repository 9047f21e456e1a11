package authz

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Software statements: RFC 7591 §2.3.

// readStatement verifies the statement of a registration, if it counts here, and lets its
// claims take the place of what the client says itself (RFC 7591 §2.3).
func (s *Server) readStatement(p *proposal) *Error {
	r := s.config.Registration
	if len(r.SoftwareStatementKeys) == 0 {
		return nil
	}
	statement, err := p.metadata.text("software_statement", maxMetadata)
	if err != nil {
		return failed(invalidSoftwareStatement, "statement_malformed", "The software_statement is not a string.")
	}
	if statement == "" {
		if r.RequireSoftwareStatement {
			return failed(unapprovedSoftwareStatement, "statement_missing", "Registration needs a software_statement.")
		}
		return nil
	}
	claims, issuer, err := verifyStatement(statement, s.config.keyAlgs(), r.SoftwareStatementKeys, s.now())
	if err != nil {
		return err
	}
	for name, value := range claims {
		switch name {
		case "iss", "sub", "aud", "iat", "exp", "nbf", "jti", "software_statement", "client_id", "client_secret":
			// About the statement, or nothing that a statement can say.
		default:
			p.metadata[name] = value
		}
	}
	p.statement, p.issuer = statement, issuer
	return nil
}

// verifyStatement checks signature and lifetime, by the keys of the issuer that the
// statement itself names.
func verifyStatement(statement string, algorithms []string, trusted map[string]jose.JSONWebKeySet, now time.Time) (clientMetadata, string, *Error) {
	malformed := func(err error) (clientMetadata, string, *Error) {
		return nil, "", failed(invalidSoftwareStatement, "statement_malformed", "The software_statement is not a signed JWT of the supported algorithms.").because(err)
	}
	if strings.Count(statement, ".") != 2 {
		return malformed(nil)
	}
	accepted := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, algorithm := range algorithms {
		accepted[i] = jose.SignatureAlgorithm(algorithm)
	}
	signed, err := jose.ParseSignedCompact(statement, accepted)
	if err != nil {
		return malformed(err)
	}
	said, refused := parseClientMetadata(signed.UnsafePayloadWithoutVerification())
	if refused != nil {
		return malformed(refused)
	}
	issuer, refused := said.text("iss", maxMetadataURL)
	if refused != nil || issuer == "" {
		return malformed(fmt.Errorf("it has no iss"))
	}
	keys, known := trusted[issuer]
	if !known {
		return nil, "", failed(unapprovedSoftwareStatement, "statement_issuer_unknown", "The issuer of the software_statement is not one that this server trusts.").
			because(fmt.Errorf("%.200q is not in Registration.SoftwareStatementKeys", issuer))
	}
	if !signedByOneOf(signed, keys) {
		return nil, "", failed(invalidSoftwareStatement, "statement_signature_wrong", "The signature of the software_statement is not one of its issuer.")
	}
	for name, ended := range map[string]func(time.Time) bool{
		"exp": func(at time.Time) bool { return !now.Before(at) },
		"nbf": func(at time.Time) bool { return now.Add(time.Minute).Before(at) },
	} {
		raw, there := said[name]
		var seconds float64
		if there && (json.Unmarshal(raw, &seconds) != nil || ended(time.Unix(int64(seconds), 0))) {
			return nil, "", failed(invalidSoftwareStatement, "statement_expired", "The software_statement is not valid at this time.")
		}
	}
	return said, issuer, nil
}

func signedByOneOf(signed *jose.JSONWebSignature, keys jose.JSONWebKeySet) bool {
	header := signed.Signatures[0].Header
	for i := range keys.Keys {
		key := &keys.Keys[i]
		if header.KeyID != "" && key.KeyID != "" && header.KeyID != key.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if _, err := signed.Verify(key); err == nil {
			return true
		}
	}
	return false
}
