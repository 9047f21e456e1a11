package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// statements are signed by vendor.example.
type statements struct {
	key    *ecdsa.PrivateKey
	public jose.JSONWebKeySet
}

func newStatements(t testing.TB) *statements {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &statements{key, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256"}}}}
}

func (s *statements) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func (s *statements) trusted(r *authz.Registration) {
	r.SoftwareStatementKeys = map[string]jose.JSONWebKeySet{"https://vendor.example": s.public}
}

// RFC 7591 §2.3: what the statement says comes before what the client says.
func TestRFC7591_Section2_3(t *testing.T) {
	vendor := newStatements(t)
	var issuer string
	s := newServer(t, open(vendor.trusted, policy(func(p *authz.ClientProposal) error { issuer = p.SoftwareStatementIssuer; return nil })))
	statement := vendor.sign(t, map[string]any{
		"iss": "https://vendor.example", "client_name": "Vendor's", "redirect_uris": []string{"https://vendor.example/cb"}, "software_id": "v",
		"exp": s.clock.Now().Add(time.Hour).Unix(), "sub": "x", "client_secret": "x",
	})
	got, err := s.introduce("client_name", `"Mine"`, "redirect_uris", `["https://evil.example/cb"]`, "software_statement", `"`+statement+`"`)
	if err != nil || got.ClientName != "Vendor's" || got.SoftwareID != "v" || len(got.RedirectURIs) != 1 || got.RedirectURIs[0] != "https://vendor.example/cb" ||
		got.SoftwareStatement != statement || issuer != "https://vendor.example" {
		t.Errorf("%+v, %v, %q", got, err, issuer)
	}
	// Where none counts, it is ignored.
	if got, err := newServer(t, open()).introduce("software_statement", `"x"`); err != nil || got.SoftwareStatement != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRFC7591_Section3_2_2_statements(t *testing.T) {
	vendor, stranger := newStatements(t), newStatements(t)
	s := newServer(t, open(vendor.trusted, func(r *authz.Registration) { r.RequireSoftwareStatement = true }))
	claims := func(pairs ...any) map[string]any {
		m := map[string]any{"iss": "https://vendor.example", "client_name": "x"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	right := vendor.sign(t, claims())
	parts := strings.Split(right, ".")
	for name, test := range map[string]struct{ statement, want string }{
		"none":       {"", "unapproved_software_statement statement_missing"},
		"text":       {"x", "invalid_software_statement statement_malformed"},
		"alg_none":   {"eyJhbGciOiJub25lIn0." + parts[1] + ".", "invalid_software_statement statement_malformed"},
		"unsigned":   {parts[0] + "." + parts[1] + ".", "invalid_software_statement statement_signature_wrong"},
		"tampered":   {parts[0] + ".eyJpc3MiOiJodHRwczovL3ZlbmRvci5leGFtcGxlIn0." + parts[2], "invalid_software_statement statement_signature_wrong"},
		"other_key":  {stranger.sign(t, claims()), "invalid_software_statement statement_signature_wrong"},
		"no_issuer":  {vendor.sign(t, claims("iss", "")), "invalid_software_statement statement_malformed"},
		"issuer":     {vendor.sign(t, claims("iss", "https://other.example")), "unapproved_software_statement statement_issuer_unknown"},
		"expired":    {vendor.sign(t, claims("exp", s.clock.Now().Unix())), "invalid_software_statement statement_expired"},
		"not_yet":    {vendor.sign(t, claims("nbf", s.clock.Now().Unix()+90)), "invalid_software_statement statement_expired"},
		"exp_text":   {vendor.sign(t, claims("exp", "never")), "invalid_software_statement statement_expired"},
		"bad_claim":  {vendor.sign(t, claims("client_name", 7)), "invalid_client_metadata client_name_invalid"},
		"bad_scheme": {vendor.sign(t, claims("redirect_uris", []string{"javascript:1"})), "invalid_redirect_uri redirect_uri_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.introduce("software_statement", `"`+test.statement+`"`)
			registrationRefused(t, err, "400 "+test.want)
		})
	}
	_, err := s.introduce("software_statement", `{}`)
	registrationRefused(t, err, "400 invalid_software_statement statement_malformed")
	if _, err := s.introduce("software_statement", `"`+right+`"`); err != nil {
		t.Error(err)
	}
}

// FuzzRegistration: whatever is sent, the answer is a protocol error or a client that goes
// no further than a self-registered client may.
func FuzzRegistration(f *testing.F) {
	s := newServer(f, quiet, open())
	for _, seed := range [][]byte{metadata(), metadata("scope", `"admin read"`), metadata("redirect_uris", `["a:b","https://a.example"]`), metadata("jwks", `{"keys":[{}]}`), []byte("{}"), []byte("["), []byte(`{"redirect_uris":null}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := s.Register(t.Context(), &authz.RegistrationRequest{Body: body})
		if err != nil {
			if e := new(authz.Error); !errors.As(err, &e) || e.Status != 400 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		c := must(s.store.inner.Client(t.Context(), got.ClientID))(t)
		if len(c.RedirectURIs) == 0 || c.FirstParty || c.ResourceServer || c.ExpiresAt.IsZero() || strings.Join(c.Scopes, " ") != "read write offline_access" {
			t.Errorf("%+v by %q", c, body)
		}
		if err := s.DeleteRegistration(t.Context(), manage(got, got.RegistrationAccessToken)); err != nil {
			t.Error(err)
		}
	})
}

// FuzzSoftwareStatement: nothing but what the vendor signed is taken for the vendor's word.
func FuzzSoftwareStatement(f *testing.F) {
	vendor := newStatements(f)
	s := newServer(f, quiet, open(vendor.trusted))
	right := vendor.sign(f, map[string]any{"iss": "https://vendor.example", "client_name": "Vendor's"})
	for _, seed := range []string{right, "", "a.b.c", right + ".", "eyJhbGciOiJub25lIn0.e30.", right[:len(right)-1]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, statement string) {
		text, err := json.Marshal(statement)
		if err != nil {
			t.Skip()
		}
		got, err := s.introduce("software_statement", string(text))
		if err != nil {
			if e := new(authz.Error); !errors.As(err, &e) || e.Status != 400 {
				t.Errorf("%q: %v", statement, err)
			}
			return
		}
		if got.ClientName == "Vendor's" && statement != right {
			t.Errorf("%q passes", statement)
		}
	})
}
