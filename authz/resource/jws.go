package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// signatures tells what an issuer has signed (RFC 7515 §5.2), of one typ: its access tokens
// must not pass for its introspection answers, nor the other way round (RFC 8725 §3.11).
type signatures struct {
	typ, section string // and where that typ is from
	algorithms   []jose.SignatureAlgorithm
	keys         *keySet
}

// badJWS says why something is not signed by the issuer. It holds nothing of what was looked
// at.
type badJWS struct{ why string }

func (e *badJWS) Error() string { return e.why }

var errNotCompact = &badJWS{"not a compact JWS"}

// open is the payload of a compact JWS; a *badJWS if it is not the issuer's, or any other
// error if that could not be found out. Whatever needs no key comes first, so that rubbish
// never makes it fetch any.
func (s *signatures) open(ctx context.Context, compact string) ([]byte, error) {
	jws, err := s.parse(compact)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	keys, err := s.keys.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	payload := verified(jws, keys, jose.SignatureAlgorithm(header.Algorithm))
	if payload == nil {
		return nil, &badJWS{"not signed by the issuer"}
	}
	return payload, nil
}

// parse reads the header, which nobody vouches for yet.
func (s *signatures) parse(compact string) (*jose.JSONWebSignature, error) {
	// The base64 decoder skips line breaks; a compact JWS has none (RFC 7515 §7.1).
	if strings.ContainsAny(compact, "\r\n") {
		return nil, errNotCompact
	}
	jws, err := jose.ParseSignedCompact(compact, s.algorithms)
	var algorithm *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &algorithm):
		return nil, &badJWS{fmt.Sprintf("its algorithm is none of %v", s.algorithms)}
	case err != nil || len(jws.Signatures) != 1:
		return nil, errNotCompact
	}
	header := jws.Signatures[0].Protected
	// RFC 7515 §4.1.11: no extension is understood here, so none may be critical.
	if _, set := header.ExtraHeaders["crit"]; set {
		return nil, &badJWS{"its header has critical extensions"}
	}
	// RFC 9068 §4: or an ID token would do. Media types are case-insensitive, and the
	// "application/" may be missing (RFC 7515 §4.1.9).
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if typ = strings.ToLower(typ); typ != s.typ && typ != "application/"+s.typ {
		return nil, &badJWS{fmt.Sprintf("its typ is not %s (%s)", s.typ, s.section)}
	}
	// Deliberate: RFC 7515 makes kid optional. Without it every key would have to be
	// tried, and a rotation could not be told from a forgery.
	if header.KeyID == "" {
		return nil, &badJWS{"its header names no key (kid)"}
	}
	return jws, nil
}

// verified is the payload, if one of the keys fits the algorithm and the signature;
// nil otherwise.
func verified(jws *jose.JSONWebSignature, keys []jose.JSONWebKey, algorithm jose.SignatureAlgorithm) []byte {
	for _, key := range keys {
		if !fits(key, algorithm) {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload
		}
	}
	return nil
}

// signatureAlgorithms are those that a published key can verify (RFC 7518 §3.1, RFC
// 8037 §3.1).
var signatureAlgorithms = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
}

func allowed(names []string) ([]jose.SignatureAlgorithm, error) {
	if len(names) == 0 {
		return signatureAlgorithms, nil
	}
	var list []jose.SignatureAlgorithm
	for _, name := range names {
		if !slices.Contains(signatureAlgorithms, jose.SignatureAlgorithm(name)) {
			return nil, fmt.Errorf("resource: Algorithms has %q; choose among %v", name, signatureAlgorithms)
		}
		list = append(list, jose.SignatureAlgorithm(name))
	}
	return list, nil
}
