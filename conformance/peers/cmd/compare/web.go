package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// documentsOrigin is where the servers believe that the suite's documents are.
const documentsOrigin = "https://documents.example"

// web is what the servers and the suite need to find and to trust each other.
type web struct {
	ca, certificate, key string // PEM
	trust                *tls.Config
	documents            *conformance.Documents
	at                   string // where the documents really are
	server               *http.Server
}

func newWeb() (*web, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	year := 365 * 24 * time.Hour
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "comparison"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(year),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(year),
		DNSNames: []string{"documents.example", "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	w := &web{ca: encode("CERTIFICATE", caDER), certificate: encode("CERTIFICATE", leafDER), key: encode("PRIVATE KEY", keyDER), documents: conformance.NewDocuments(documentsOrigin)}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(w.ca))
	w.trust = &tls.Config{RootCAs: roots}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.at = l.Addr().String()
	w.server = &http.Server{Handler: w.documents, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: key}}}}
	w.documents.TLS = w.server.TLSConfig.Clone()
	go func() { _ = w.server.ServeTLS(l, "", "") }() // ends with close
	return w, nil
}

func (w *web) close() error { return w.server.Close() }

// setting is a server's, on free ports.
func (w *web) setting() (setting, error) {
	s := setting{Documents: w.at, Certificate: w.certificate, Key: w.key, CA: w.ca}
	for _, address := range []*string{&s.Address, &s.Admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return s, err
		}
		*address = l.Addr().String()
		if err := l.Close(); err != nil {
			return s, err
		}
	}
	return s, nil
}
