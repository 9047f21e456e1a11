package protect_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

func newCertificate(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// RFC 7800 §3.1, RFC 8705 §3: everything that the token is bound to has to be there.
func TestRFC8705_Section3(t *testing.T) {
	own, other := newCertificate(t), newCertificate(t)
	type m = map[string]any
	for name, c := range map[string]struct {
		cnf         any
		certificate *x509.Certificate
		fails       error
		want        int
	}{
		"bound":                  {m{"x5t#S256": thumbprint(own)}, own, nil, 200},
		"another certificate":    {m{"x5t#S256": thumbprint(own)}, other, nil, 401},
		"no certificate":         {m{"x5t#S256": thumbprint(own)}, nil, nil, 401},
		"unreadable certificate": {m{"x5t#S256": thumbprint(own)}, nil, errors.New("the proxy is broken"), 401},
		"padded thumbprint":      {m{"x5t#S256": thumbprint(own) + "="}, own, nil, 401},
		"empty thumbprint":       {m{"x5t#S256": ""}, own, nil, 401},
		"thumbprint, no string":  {m{"x5t#S256": 1.0}, own, nil, 401},
		"SHA-1":                  {m{"x5t": thumbprint(own)}, own, nil, 401},
		"and another key":        {m{"x5t#S256": thumbprint(own), "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, own, nil, 401},
		"to nothing":             {m{}, own, nil, 401},
		"to null":                {nil, own, nil, 401},
		"to a text":              {thumbprint(own), own, nil, 401},
	} {
		verifier := tokens{"t": &resource.Token{Audience: []string{api}, Claims: m{"cnf": c.cnf}}}
		for _, finder := range []string{"TLS", "own"} {
			options := protect.Options{Audience: api, Logger: slog.New(slog.DiscardHandler)}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer t")
			if finder == "own" {
				options.Certificate = func(*http.Request) (*x509.Certificate, error) { return c.certificate, c.fails }
			} else if c.certificate != nil {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.certificate, other}}
			}
			w := httptest.NewRecorder()
			protect.Require(verifier, options)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%s, by %s: %d, want %d", name, finder, w.Code, c.want)
			}
		}
	}
}

// FuzzClientCert: what a trusted proxy sends is one certificate, none, or an error; and what
// anybody else sends is nothing.
func FuzzClientCert(f *testing.F) {
	c := newCertificate(f)
	encoded := base64.StdEncoding.EncodeToString(c.Raw)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	for _, seed := range []string{"", ":", "::", ":" + encoded + ":", ":" + encoded, encoded, ":" + encoded + ":;x=1", ":AAAA:", url.PathEscape(text), url.QueryEscape(text), text,
		url.PathEscape(text + text), "-----BEGIN%20CERTIFICATE-----", "%", "%zz", ":" + encoded + ":, :" + encoded + ":"} {
		f.Add(seed)
	}
	find := protect.ForwardedCertificate("Client-Cert", netip.MustParsePrefix("10.0.0.0/8"))
	f.Fuzz(func(t *testing.T, value string) {
		r := &http.Request{RemoteAddr: "10.1.2.3:4", Header: http.Header{"Client-Cert": {value}}}
		got, err := find(r)
		if (value == "") != (got == nil && err == nil) || got != nil && err != nil {
			t.Errorf("%q: %v, %v", value, got, err)
		}
		r.RemoteAddr = "192.0.2.1:4"
		if got, err := find(r); got != nil || err != nil {
			t.Errorf("%q of a stranger: %v, %v", value, got, err)
		}
	})
}
