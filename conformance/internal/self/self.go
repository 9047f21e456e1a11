// Package self starts this project's own server for the conformance suite: a host application
// with a sign-in page, an API and the server mounted, on a backend and in a profile. The suite
// meets it over HTTP alone, but for what a host does with its own server.
package self

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// Options say what is started.
type Options struct {
	// Backend is memory, bolt or postgres. Default bolt.
	Backend string

	// Profile is one of Profiles, or Guarded. Default everything.
	Profile string

	// Change may change the configuration further, at last. Nil for no change.
	Change func(*authz.Config)
}

// Users are who can sign in.
var Users = []conformance.User{{Name: "ana", Password: "tulip meadow"}, {Name: "ben", Password: "crocus hill"}}

// documentsOrigin is where the suite publishes, by a name that the server's HTTP client alone knows.
const documentsOrigin = "https://documents.example"

// Site is a running host.
type Site struct {
	Issuer string
	Server *authz.Server

	options   Options
	store     *faults.Store
	authority *authority
	documents *conformance.Documents
	issuer    *trustedIssuer
	shift     atomic.Int64 // of the clock
	fails     atomic.Bool  // the Login hook panics
	log       safeBuffer
	sessions  sessions
	prompts   prompts
	outbound  *outbound

	encryptionKey []byte
	closers       []func() error
}

// Start starts a host. Close it when it is not needed any more.
func Start(ctx context.Context, options Options) (_ *Site, err error) {
	if options.Backend == "" {
		options.Backend = "bolt"
	}
	if options.Profile == "" {
		options.Profile = "everything"
	}
	profile, there := profiles[options.Profile]
	if !there {
		return nil, fmt.Errorf("self: there is no profile %q; there are %v", options.Profile, Profiles())
	}
	s := &Site{options: options, documents: conformance.NewDocuments(documentsOrigin)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.authority, err = newAuthority(); err != nil {
		return nil, err
	}
	if s.issuer, err = newTrustedIssuer(); err != nil {
		return nil, err
	}
	store, err := s.open(ctx, options.Backend)
	if err != nil {
		return nil, err
	}
	s.store = faults.NewStore(store)

	mux := http.NewServeMux()
	origin, err := s.listen(mux, nil)
	if err != nil {
		return nil, err
	}
	mutual, err := s.listen(mux, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert })
	if err != nil {
		return nil, err
	}
	docs, err := s.listenDocuments()
	if err != nil {
		return nil, err
	}
	s.Issuer = origin
	s.outbound = newOutbound(s.authority, docs)
	config := profile(s)
	config.Issuer, config.Storage, config.Clock = origin, s.store, s.now
	config.Login = s.login
	config.Logger = slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if !guardedProfiles[options.Profile] {
		config.HTTPClient = &http.Client{Transport: s.outbound}
	}
	if config.MutualTLS {
		config.MutualTLSOrigin = mutual
	}
	if options.Change != nil {
		options.Change(&config)
	}
	s.encryptionKey = config.EncryptionKey
	if s.Server, err = authz.New(config); err != nil {
		return nil, err
	}
	handlers.Mount(mux, s.Server, handlers.Options{ClientCAs: s.authority.roots})
	mux.HandleFunc("GET /login", s.loginPage)
	mux.HandleFunc("POST /login", s.signIn)
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`)) // to a client that may hang up
	})
	mux.Handle("/api/", handlers.ProtectWith(s.Server, protect.Options{Audience: config.Resource}, scopeRead)(api))
	mux.Handle("/stepup/", handlers.ProtectWith(s.Server, protect.Options{Audience: config.Resource, MaxAge: 10 * time.Minute, ACRValues: []string{acrStrong}}, scopeRead)(api))
	return s, nil
}

// Close stops everything.
func (s *Site) Close() error {
	var problems []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		problems = append(problems, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(problems...)
}

func (s *Site) now() time.Time { return time.Now().Add(time.Duration(s.shift.Load())) }

// Target is the site as the suite sees it.
func (s *Site) Target() conformance.Target {
	config := s.authority.client()
	target := conformance.Target{
		Issuer: s.Issuer, TLS: config, Users: Users, Scopes: []string{scopeRead, scopeWrite}, Documents: s.documents,
		Resource: s.Issuer + "/api/", ResourceIdentifier: s.Issuer + "/api/", OtherResource: otherResource, StepUp: s.Issuer + "/stepup/",
		Metadata:      s.known(),
		TrustedIssuer: s.issuer.name, TrustedIssuerJWKS: s.issuer.private,
		AuthorizationDetails: []string{`{"type":"payment","amount":"12.50","to":"Example Ltd"}`, `{"type":"payment","amount":"99.00","to":"Another Ltd"}`},
		Controls: &conformance.Controls{
			NewClient: s.newClient, ChangeClient: s.changeClient, DisableClient: s.disableClient,
			RevokeUser:        func(ctx context.Context, u conformance.User) error { return s.Server.RevokeUser(ctx, u.Name) },
			Advance:           func(d time.Duration) { s.shift.Add(int64(d)) },
			StoreDown:         s.storeDown,
			HostFails:         s.fails.Store,
			AnswerBackchannel: s.answerBackchannel,
			Logged:            s.log.String,
			Fetched:           s.outbound.asked,
		},
	}
	if guardedProfiles[s.options.Profile] {
		target.Documents, target.Controls.Fetched = nil, nil
	}
	return target
}

// known is what no metadata says.
func (s *Site) known() map[string]any {
	return map[string]any{"dpop_bound_access_tokens": boundProfiles[s.options.Profile]}
}

func (s *Site) storeDown(down bool) {
	if !down {
		s.store.Mend()
		return
	}
	s.store.Break(faults.From(0, faults.Fail))
}

// listen serves a handler over TLS on a free port, and returns the origin.
func (s *Site) listen(h http.Handler, change func(*tls.Config)) (origin string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("self: %w", err)
	}
	config := s.authority.server()
	if change != nil {
		change(config)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, TLSConfig: config,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(&s.log, nil), slog.LevelWarn)}
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with Close
	s.closers = append(s.closers, server.Close)
	return "https://" + listener.Addr().String(), nil
}

func (s *Site) listenDocuments() (address string, err error) {
	origin, err := s.listen(s.documents, nil)
	if err != nil {
		return "", err
	}
	return origin[len("https://"):], nil
}

// safeBuffer is the server's log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
