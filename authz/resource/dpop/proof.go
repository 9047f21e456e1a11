package dpop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	stdjson "encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// MaxAge is how old a proof may be, by its iat, and MaxAhead how far that may lie in
	// the future, because the client's clock is not ours (RFC 9449 §11.1). Neither counts
	// where nonces are demanded: then the nonce tells the time.
	MaxAge   = time.Minute
	MaxAhead = 30 * time.Second

	// maxProof bounds what is looked at, in bytes. An RSA key of 4096 bits takes 2,000.
	maxProof = 8 << 10
)

// algorithms are those that a proof may be signed with: asymmetric ones (RFC 9449 §4.2),
// and of these what clients can do everywhere.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.PS256, jose.RS256}

// Algorithms are the JWS algorithms that a proof may be signed with, for metadata (RFC 9449
// §5.1) and challenges (§7.1).
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

// Expected is what a proof must be for.
type Expected struct {
	// Method is that of the request, URLs are the addresses under which clients may know
	// what they called. They come from configuration, never from the Host header. Query
	// and fragment do not count.
	Method string
	URLs   []string

	// AccessToken is what the request presents along with the proof; empty for a request
	// that presents none (RFC 9449 §4.3, step 11).
	AccessToken string

	// Algorithms are those of Algorithms that will do; empty for all.
	Algorithms []string

	// Nonces, if set, must have made the proof's nonce (RFC 9449 §8, §9).
	Nonces *Nonces

	Now time.Time
}

// Proof is a proof that was found good, but for its being used a second time: see [Replay].
type Proof struct {
	JKT string // the SHA-256 thumbprint of its key (RFC 7638), as in the claim cnf.jkt
	ID  string // jti

	// ExpiresAt is the instant from which on Check refuses it.
	ExpiresAt time.Time
}

// claims are those of RFC 9449 §4.2.
type claims struct {
	ID       string   `json:"jti"`
	Method   string   `json:"htm"`
	URL      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"`
	TokenSum string   `json:"ath"`
	Nonce    string   `json:"nonce"`
}

// Check judges the DPoP headers of one request (RFC 9449 §4.3). An *[Error] is a statement
// about the proof; any other error means that its nonce could not be judged.
func Check(ctx context.Context, headers []string, e Expected) (*Proof, error) {
	switch {
	case len(headers) == 0:
		return nil, refused("proof_missing", "the request has no DPoP header")
	case len(headers) > 1:
		return nil, refused("proof_repeated", "the request has more than one DPoP header")
	case len(headers[0]) > maxProof:
		return nil, refused("proof_too_long", "the proof is longer than 8 KiB")
	}
	key, c, err := open(headers[0], e.Algorithms)
	if err != nil {
		return nil, err
	}
	switch {
	case c.ID == "" || c.Method == "" || c.URL == "" || c.IssuedAt == nil:
		return nil, refused("proof_claim_missing", "the proof lacks one of the claims jti, htm, htu, iat")
	case c.Method != e.Method:
		return nil, refused("proof_for_another_method", "the proof's htm is not the request's method")
	case !slices.ContainsFunc(e.URLs, func(u string) bool { return sameTarget(c.URL, u) }):
		return nil, refused("proof_for_another_url", "the proof's htu is not what was called, as clients know it")
	case e.AccessToken != "" && !isHash(c.TokenSum, e.AccessToken):
		return nil, refused("proof_for_another_token", "the proof's ath is not the hash of the access token")
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, refused("proof_key_unusable", "the proof's key has no thumbprint")
	}
	p := &Proof{JKT: base64.RawURLEncoding.EncodeToString(thumbprint), ID: c.ID}
	if e.Nonces != nil {
		if p.ExpiresAt, err = e.Nonces.check(ctx, c.Nonce); err != nil {
			return nil, err
		}
		return p, nil
	}
	// A date beyond what a float tells apart to the second is none.
	if math.Abs(*c.IssuedAt) > 1<<40 {
		return nil, refused("proof_iat_out_of_range", "the proof's iat is not a date")
	}
	at := time.UnixMilli(int64(*c.IssuedAt * 1000))
	p.ExpiresAt = at.Add(MaxAge)
	switch {
	case !e.Now.Before(p.ExpiresAt):
		return nil, refused("proof_too_old", "the proof was made more than a minute ago; compare the client's clock")
	case at.After(e.Now.Add(MaxAhead)):
		return nil, refused("proof_in_the_future", "the proof was made in the future; compare the client's clock")
	}
	return p, nil
}

// open checks the JWS by itself: steps 2 to 7 of RFC 9449 §4.3.
func open(compact string, accepted []string) (*jose.JSONWebKey, *claims, error) {
	// The base64 decoder skips line breaks; a compact JWS has none (RFC 7515 §7.1).
	if strings.ContainsAny(compact, "\r\n") {
		return nil, nil, refused("proof_malformed", "the proof is not a compact JWS")
	}
	header, err := readHeader(compact)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(algorithms, header.Algorithm) || len(accepted) > 0 && !slices.Contains(accepted, string(header.Algorithm)) {
		return nil, nil, refused("proof_alg_not_supported", "the proof's alg is none of those in dpop_signing_alg_values_supported")
	}
	jws, err := jose.ParseSignedCompact(compact, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, nil, refused("proof_malformed", "the proof is not a compact JWS with a public key in its header")
	}
	key := jws.Signatures[0].Protected.JSONWebKey
	if key == nil || !key.Valid() || !key.IsPublic() || !fits(key, header.Algorithm) {
		return nil, nil, refused("proof_key_unusable", "the proof's jwk is not a public key for its alg")
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, nil, refused("proof_signature_wrong", "the proof's signature does not fit its key")
	}
	c := new(claims)
	if !stdjson.Valid(payload) || json.Unmarshal(payload, c) != nil {
		return nil, nil, refused("proof_claims_malformed", "the proof's claims are not a JSON object of the expected shape")
	}
	return key, c, nil
}

// header is the part of a JWS header (RFC 9449 §4.2) that go-jose leaves to its callers.
type header struct {
	Type      string                        `json:"typ"`
	Algorithm jose.SignatureAlgorithm       `json:"alg"`
	Key       map[string]stdjson.RawMessage `json:"jwk"`
	Critical  any                           `json:"crit"`
}

// readHeader is about what go-jose would let through, or would not tell apart. Its json
// knows members by their exact names and refuses repeated ones.
func readHeader(compact string) (*header, error) {
	first, rest, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || strings.Count(rest, ".") != 1 || !stdjson.Valid(raw) {
		return nil, refused("proof_malformed", "the proof is not a compact JWS")
	}
	h := new(header)
	if err := json.Unmarshal(raw, h); err != nil {
		return nil, refused("proof_malformed", "the proof's header is not a JSON object of the expected shape")
	}
	// A media type, and so in any case; RFC 7515 §4.1.9 has "application/" left out.
	if !strings.EqualFold(h.Type, "dpop+jwt") {
		return nil, refused("proof_typ_wrong", "the proof's typ is not dpop+jwt")
	}
	if h.Critical != nil { // RFC 7515 §4.1.11: none is understood here
		return nil, refused("proof_crit", "the proof's header has critical extensions")
	}
	for _, name := range [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} { // RFC 7518 §6
		if _, there := h.Key[name]; there {
			return nil, refused("proof_key_private", "the proof's jwk holds a private key; take that key out of use")
		}
	}
	return h, nil
}

// fits reports whether a key may verify this algorithm: go-jose would not look at the curve.
func fits(key *jose.JSONWebKey, algorithm jose.SignatureAlgorithm) bool {
	if key.Algorithm != "" && key.Algorithm != string(algorithm) || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == jose.ES256 && k.Curve == elliptic.P256() ||
			algorithm == jose.ES384 && k.Curve == elliptic.P384() ||
			algorithm == jose.ES512 && k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	case *rsa.PublicKey:
		// RFC 7518 §3.3 and §3.5: 2048 bits or more. Every proof brings a key of its own, so
		// there is an upper bound too, to what checking one may cost.
		bits := k.N.BitLen()
		return bits >= 2048 && bits <= 4096 && (algorithm == jose.PS256 || algorithm == jose.RS256)
	}
	return false
}

// isHash reports whether sum is the ath of an access token (RFC 9449 §4.2).
func isHash(sum, token string) bool {
	want := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare([]byte(sum), []byte(base64.RawURLEncoding.EncodeToString(want[:]))) == 1
}
