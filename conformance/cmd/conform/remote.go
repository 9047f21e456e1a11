package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/grantor-oauth/grantor/conformance"
)

// runRemote tests a server elsewhere.
func runRemote(ctx context.Context, o *options, stdout, stderr io.Writer) (int, error) {
	target, err := o.remote.target()
	if err != nil {
		return unknown, err
	}
	if o.remote.documents != "" {
		documents, stop, err := o.remote.serve(stderr)
		if err != nil {
			return unknown, err
		}
		defer stop()
		target.Documents = documents
	}
	report, err := o.test(ctx, target, o.name, stderr)
	if err != nil {
		return unknown, err
	}
	if err := o.write(report, "", stdout); err != nil {
		return unknown, err
	}
	return o.judge(report)
}

// target is the server as the suite sees it.
func (r *remote) target() (conformance.Target, error) {
	t := conformance.Target{
		Issuer: r.issuer, Scopes: strings.Fields(r.scope), Resource: r.resource, ResourceIdentifier: r.resourceIdentifier,
		OtherResource: r.otherResource, StepUp: r.stepUp, TrustedIssuer: r.trustedIssuer, InitialAccessToken: strings.TrimSpace(os.Getenv(tokenVariable)),
	}
	issuer, err := url.Parse(r.issuer)
	if err != nil || issuer.Host == "" || issuer.Scheme != "https" && issuer.Scheme != "http" {
		return t, fmt.Errorf("-issuer %s: it is no https or http URL", r.issuer)
	}
	var details []json.RawMessage
	err = errors.Join(
		fromJSON("-metadata", r.metadataFile, &t.Metadata),
		fromJSON("-client-file", r.clientFile, &t.Clients),
		fromJSON("-authorization-details", r.detailsFile, &details),
	)
	for _, one := range details {
		t.AuthorizationDetails = append(t.AuthorizationDetails, string(one))
	}
	for _, said := range r.clients {
		t.Clients = append(t.Clients, client(said, r.redirectURIs))
	}
	for _, f := range []struct {
		flag, file string
		into       *string
	}{{"-initial-access-token", r.tokenFile, &t.InitialAccessToken}, {"-trusted-issuer-jwks", r.trustedIssuerJWKS, &t.TrustedIssuerJWKS}} {
		text, problem := read(f.flag, f.file)
		if err = errors.Join(err, problem); text != nil {
			*f.into = strings.TrimSpace(string(text))
		}
	}
	var problem error
	if t.Users, problem = r.people(); problem != nil {
		err = errors.Join(err, problem)
	}
	if t.Rewrite, problem = rewriting(r.rewrites); problem != nil {
		err = errors.Join(err, problem)
	}
	if t.TLS, problem = trusting(r.caFile); problem != nil {
		err = errors.Join(err, problem)
	}
	return t, err
}

// read is a file that a flag names; nil if the flag is not there.
func read(flag, file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return text, nil
}

func fromJSON(flag, file string, into any) error {
	text, err := read(flag, file)
	if text == nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s: %w", flag, file, err)
	}
	return nil
}

// client is one that the command line describes.
func client(said string, redirectURIs []string) conformance.Client {
	if len(redirectURIs) == 0 {
		redirectURIs = []string{"https://client.example/callback"}
	}
	id, secret, confidential := strings.Cut(said, ":")
	method := "none"
	if confidential {
		method = "client_secret_basic"
		for _, one := range []string{"client_secret_basic", "client_secret_post", "client_secret_jwt"} {
			if rest, named := strings.CutSuffix(secret, ":"+one); named {
				secret, method = rest, one
			}
		}
	}
	return conformance.Client{ID: id, Secret: secret, Metadata: map[string]any{
		"redirect_uris": redirectURIs, "token_endpoint_auth_method": method,
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}}
}

// people are who can sign in.
func (r *remote) people() ([]conformance.User, error) {
	text, err := read("-user-file", r.userFile)
	if err != nil {
		return nil, err
	}
	said := r.users
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			said = append(said, line)
		}
	}
	var all []conformance.User
	for i, one := range said {
		name, password, both := strings.Cut(one, ":")
		if !both || name == "" {
			return nil, fmt.Errorf("user %d is no name:password", i+1) // what it is may be a password
		}
		all = append(all, conformance.User{Name: name, Password: password})
	}
	return all, nil
}

// rewriting changes URLs as -rewrite says.
func rewriting(said []string) (func(*url.URL), error) {
	if len(said) == 0 {
		return nil, nil
	}
	type change struct {
		old *regexp.Regexp
		new string
	}
	var changes []change
	for _, one := range said {
		old, replacement, both := strings.Cut(one, "=>")
		if !both {
			return nil, fmt.Errorf("-rewrite %s: it is no regexp=>replacement", one)
		}
		pattern, err := regexp.Compile(old)
		if err != nil {
			return nil, fmt.Errorf("-rewrite: %w", err)
		}
		changes = append(changes, change{pattern, replacement})
	}
	return func(u *url.URL) {
		text := u.String()
		for _, one := range changes {
			text = one.old.ReplaceAllString(text, one.new)
		}
		if changed, err := url.Parse(text); err == nil {
			*u = *changed
		}
	}, nil
}

// trusting is TLS that trusts an authority besides the system's. There is nothing that trusts
// any certificate: passwords go over it.
func trusting(file string) (*tls.Config, error) {
	text, err := read("-ca", file)
	if text == nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // the system has none
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("-ca %s: there is no certificate in it", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
