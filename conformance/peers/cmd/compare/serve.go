package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// setting is what a server is told that runs in a process of its own, as a line of JSON on its
// standard input. When its input ends, so does the process.
type setting struct {
	Address     string `json:"address"`     // to listen on with TLS, the host and port of the issuer
	Admin       string `json:"admin"`       // to listen on for NewClient, without TLS
	Documents   string `json:"documents"`   // where the suite's documents really are
	Certificate string `json:"certificate"` // PEM
	Key         string `json:"key"`
	CA          string `json:"ca"`
}

func (s *setting) issuer() string { return "https://" + s.Address }

// outbound fetches what clients publish: the suite's documents from where they are.
func (s *setting) outbound() (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, errors.New("the certificate of the CA is none")
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == strings.TrimPrefix(documentsOrigin, "https://")+":443" {
			address = s.Documents
		}
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

// hosted is a library in its server: what it serves, and how a host adds a client to it.
type hosted struct {
	http.Handler
	newClient func(metadata map[string]any) (conformance.Client, error)
}

// hosts are the Go libraries.
var hosts = map[string]func(s *setting) (*hosted, error){
	"fosite":    hostFosite,
	"go-oauth2": hostGoOAuth2,
	"zitadel":   hostZitadel,
}

// serve is what the child process does.
func serve(name string) error {
	var s setting
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return fmt.Errorf("the setting: %w", err)
	}
	host, found := hosts[name]
	if !found {
		return fmt.Errorf("there is no server %q", name)
	}
	h, err := host(&s)
	if err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair([]byte(s.Certificate), []byte(s.Key))
	if err != nil {
		return err
	}
	// The libraries' stores are filled before they are used. To fill one in between, nothing may
	// be using it; requests do not wait for each other.
	var gate sync.RWMutex
	admin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var metadata map[string]any
		if err := json.NewDecoder(r.Body).Decode(&metadata); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		gate.Lock()
		defer gate.Unlock()
		err := unregistrable(metadata)
		var made conformance.Client
		if err == nil {
			made, err = h.newClient(metadata)
		}
		switch {
		case errors.Is(err, conformance.ErrNoSuchClient):
			http.Error(w, err.Error(), http.StatusNotImplemented)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			_ = json.NewEncoder(w).Encode(made) // to the suite
		}
	})
	public := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gate.RLock()
		defer gate.RUnlock()
		h.ServeHTTP(w, r)
	})
	problems := start(func() error { return http.ListenAndServe(s.Admin, admin) }, func() error {
		listener, err := net.Listen("tcp", s.Address)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: public, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(os.Stderr, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
		return server.ServeTLS(listener, "", "")
	}, func() error {
		_, err := io.Copy(io.Discard, os.Stdin)
		return errors.Join(io.EOF, err)
	})
	if err := <-problems; !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// start runs functions, and tells what ended one.
func start(all ...func() error) <-chan error {
	ended := make(chan error, len(all))
	for _, f := range all {
		go func() { ended <- f() }()
	}
	return ended
}

// unknown is the error for a client that has a member of which a library knows nothing.
func unknown(metadata map[string]any, known ...string) error {
	for name := range metadata {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: with %s", conformance.ErrNoSuchClient, name)
		}
	}
	return nil
}

// unregistrable is the error for redirect URIs that no host should take: to refuse them is the
// registration's part, which is not the library's where the host does it.
func unregistrable(metadata map[string]any) error {
	for _, uri := range texts(metadata, "redirect_uris") {
		u, err := url.Parse(uri)
		local := err == nil && slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
		switch {
		case err != nil, strings.Contains(uri, "#"), u.Scheme == "http" && !local, u.Scheme != "https" && u.Scheme != "http" && !strings.Contains(u.Scheme, "."):
			return fmt.Errorf("%w: with a redirect URI such as %q, which the host's registration has to refuse, and not the library", conformance.ErrNoSuchClient, uri)
		}
	}
	return nil
}

// text and texts read members.
func text(metadata map[string]any, name string) string {
	s, _ := metadata[name].(string)
	return s
}

func texts(metadata map[string]any, name string) []string {
	var all []string
	values, _ := metadata[name].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}
