package protect

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// maxCertificate bounds what of a header is looked at, in bytes.
const maxCertificate = 32 << 10

// TLSCertificate is the certificate that the client presented to this process's own TLS
// listener, nil if it presented none. The listener has to ask for one: tls.Config.ClientAuth
// must be tls.RequestClientCert at least. The error is always nil.
func TLSCertificate(r *http.Request) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	return r.TLS.PeerCertificates[0], nil
}

// ForwardedCertificate finds the certificate that a client presented to one of these proxies,
// which hands it on in a header: Client-Cert (RFC 9440 §2.2), or any whose value is the
// certificate in PEM, percent-encoded, as nginx's $ssl_client_escaped_cert is. The proxy must
// take that header out of what clients send, or anybody could have any certificate.
//
// It is nil without an error if there is none. A request that came by no proxy of these is
// judged by its own connection, and the header in it is not looked at; one that did come by a
// proxy, by the header alone, because the certificate of that connection is the proxy's.
func ForwardedCertificate(header string, proxies ...netip.Prefix) func(*http.Request) (*x509.Certificate, error) {
	proxies = slices.Clone(proxies)
	return func(r *http.Request) (*x509.Certificate, error) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap()) }) {
			return TLSCertificate(r)
		}
		switch values := r.Header.Values(header); {
		case len(values) > 1: // RFC 9440 §2.2
			return nil, errors.New("protect: the header with the client's certificate is there more than once; let the proxy set it anew")
		case len(values) == 0 || values[0] == "":
			return nil, nil
		default:
			return parseCertificate(values[0])
		}
	}
}

var errCertificate = errors.New("protect: the header with the client's certificate holds neither a byte sequence (RFC 9440 §2.2) nor PEM that is percent-encoded")

// parseCertificate reads either of the two forms, which begin differently.
func parseCertificate(value string) (*x509.Certificate, error) {
	if len(value) > maxCertificate {
		return nil, errors.New("protect: the header with the client's certificate is too long")
	}
	var der []byte
	if body, isSequence := strings.CutPrefix(value, ":"); isSequence { // RFC 9651 §3.3.5
		body, closed := strings.CutSuffix(body, ":")
		var err error
		if der, err = base64.StdEncoding.DecodeString(body); err != nil || !closed || strings.ContainsAny(body, "\r\n") {
			return nil, errCertificate
		}
	} else {
		text, err := url.PathUnescape(value) // in which a plus sign is one, whoever encodes it
		block, rest := pem.Decode([]byte(text))
		if err != nil || block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
			return nil, errCertificate
		}
		der = block.Bytes
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errCertificate
	}
	return certificate, nil
}

// thumbprint is the x5t#S256 of a certificate (RFC 8705 §3.1).
func thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// confirm makes sure that a request proves possession of every key that its token is bound to
// (RFC 7800 §3.1). Taking the token without would undo what binding is for (RFC 8705 §3, RFC
// 9449 §7.2). The error says what is missing.
func (g *guard) confirm(r *http.Request, t *resource.Token, proven bool) error {
	claim, bound := t.Claims["cnf"]
	if !bound {
		return nil
	}
	keys, _ := claim.(map[string]any)
	if len(keys) == 0 {
		return errors.New("it is bound to a key that cannot be read")
	}
	for method, key := range keys {
		switch method {
		case "x5t#S256":
			certificate, err := g.certificate(r)
			switch {
			case err != nil:
				return err
			case certificate == nil:
				return errors.New("it is bound to a certificate, and the request came without one")
			case key != thumbprint(certificate): // a key that is no string is none either
				return errors.New("it is bound to another certificate")
			}
		case "jkt":
			if !proven { // otherwise prove compares the two
				return errors.New("it is bound to a key, and came as a bearer token")
			}
		default:
			return errors.New("it is bound in a way that is not known here")
		}
	}
	return nil
}

func (g *guard) confirmed(r *http.Request, t *resource.Token, proven bool) bool {
	err := g.confirm(r, t, proven)
	if err != nil {
		g.log().DebugContext(r.Context(), "access token refused", "cause", err.Error())
	}
	return err == nil
}

func (g *guard) certificate(r *http.Request) (*x509.Certificate, error) {
	if g.options.Certificate == nil {
		return TLSCertificate(r)
	}
	return g.options.Certificate(r)
}
