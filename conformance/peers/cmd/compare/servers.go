package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
)

// candidate is a server that the suite is run against.
type candidate struct {
	name  string // on the command line
	title string
	// about says what runs, and whose the wiring is.
	about string

	version func() (string, error)
	// start starts it: the target, and the process if it has one of its own.
	start func(ctx context.Context, w *web, log io.Writer) (conformance.Target, *process, func() error, error)
	// remarks are about cases that fail, by ID or family, such as device-*: what a reader has to know to judge them fairly.
	remarks map[string]string
}

var errLeftOut = errors.New("left out")

var candidates = []candidate{
	{
		name: "grantor", title: "Grantor",
		about: "This project's own server, in the profile everything, on bolt: `conformance/internal/self`. It runs in the suite's process, " +
			"so that the suite moves its clock and stops its store as well.",
		version: func() (string, error) {
			out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
			if err != nil {
				return "this checkout", nil
			}
			return "this checkout, after commit " + strings.TrimSpace(string(out)), nil
		},
		start: func(ctx context.Context, _ *web, _ io.Writer) (conformance.Target, *process, func() error, error) {
			site, err := self.Start(ctx, self.Options{})
			if err != nil {
				return conformance.Target{}, nil, nil, err
			}
			return site.Target(), nil, site.Close, nil
		},
	},
	{
		name: "fosite", title: "ory/fosite",
		about: "`compose.ComposeAllEnabled` with fosite's own `MemoryStore`, and the endpoints mounted by hand as its example program and its integration tests have them; " +
			"all of its settings are its defaults, but for the cheaper password hash. fosite is a framework: " +
			"Ory Hydra, which is built on it, adds much of what is missing here, and was not tested. Ours are the pages to sign in and to consent, the key set, and what Target.Metadata says, for fosite publishes none.",
		version: module("github.com/ory/fosite"),
		start: goServer("fosite", func(p *process, t *conformance.Target) {
			t.Metadata, t.Users, t.Scopes = fositeMetadata(t.Issuer), users, []string{"read", "write"}
			t.AssertionAudience = t.Issuer + "/oauth2/token"
		}),
		remarks: fositeRemarks,
	},
	{
		name: "go-oauth2", title: "go-oauth2/oauth2",
		about: "The server of its example program, on its stores in memory, with the hooks for clients without a secret, for grant types and for scopes filled in. " +
			"Ours are the pages to sign in and to consent, and what Target.Metadata says, for the library publishes none.",
		version: module("github.com/go-oauth2/oauth2/v4"),
		start: goServer("go-oauth2", func(p *process, t *conformance.Target) {
			t.Metadata, t.Users, t.Scopes = goOAuth2Metadata(t.Issuer), users, []string{"read", "write"}
			t.Resource = t.Issuer + "/test"
		}),
		remarks: goOAuth2Remarks,
	},
	{
		name: "zitadel", title: "zitadel/oidc",
		about: "The provider, the sign-in page and the storage in memory of its example program (`example/server/exampleop` and `storage`). " +
			"Ours are the clients, for the example has two kinds of them, and the users. ZITADEL, the product, was not tested.",
		version: module("github.com/zitadel/oidc/v3"),
		start: goServer("zitadel", func(p *process, t *conformance.Target) {
			t.Users, t.Person = users, zitadelPerson
		}),
		remarks: zitadelRemarks,
	},
	{
		name: "oidc-provider", title: "panva/node-oidc-provider",
		about: "The npm package oidc-provider with its development pages, dynamic registration and most of its stable features on (`oidc-provider/server.mjs`), " +
			"on its adapter in memory. It meets the suite over HTTP alone, and registers the suite's clients dynamically.",
		version: func() (string, error) {
			var locked struct {
				Packages map[string]struct{ Version string }
			}
			text, err := os.ReadFile(filepath.Join(providerDir(), "package-lock.json"))
			if err != nil {
				return "", err
			}
			return locked.Packages["node_modules/oidc-provider"].Version, json.Unmarshal(text, &locked)
		},
		start:   startProvider,
		remarks: providerRemarks,
	},
}

// module tells the version of a library that is part of this program.
func module(path string) func() (string, error) {
	return func() (string, error) {
		info, ok := debug.ReadBuildInfo()
		if ok {
			for _, m := range info.Deps {
				if m.Path == path {
					return m.Version, nil
				}
			}
		}
		return "", fmt.Errorf("%s is no part of this program", path)
	}
}

// goServer starts one of the Go libraries.
func goServer(name string, known func(p *process, t *conformance.Target)) func(context.Context, *web, io.Writer) (conformance.Target, *process, func() error, error) {
	return func(ctx context.Context, w *web, log io.Writer) (conformance.Target, *process, func() error, error) {
		s, err := w.setting()
		if err != nil {
			return conformance.Target{}, nil, nil, err
		}
		p, err := startProcess(ctx, s, own(name), log)
		if err != nil {
			return conformance.Target{}, nil, nil, err
		}
		t := conformance.Target{Issuer: s.issuer(), TLS: w.trust, Documents: w.documents, Controls: &conformance.Controls{NewClient: p.newClient}}
		known(p, &t)
		return t, p, p.stop, nil
	}
}

// providerDir is where package.json is.
func providerDir() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "oidc-provider")
}

// startProvider starts oidc-provider, and installs it before if it is not there.
func startProvider(ctx context.Context, w *web, log io.Writer) (_ conformance.Target, _ *process, _ func() error, err error) {
	var t conformance.Target
	dir := providerDir()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return t, nil, nil, fmt.Errorf("%w: it needs Node.js: %v", errLeftOut, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			return t, nil, nil, fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	}
	s, err := w.setting()
	if err != nil {
		return t, nil, nil, err
	}
	s.Admin = ""
	file, err := os.CreateTemp("", "ca-*.pem")
	if err != nil {
		return t, nil, nil, err
	}
	remove := func() error { return os.Remove(file.Name()) }
	if _, err := file.WriteString(w.ca); err != nil {
		return t, nil, nil, errors.Join(err, file.Close(), remove())
	}
	if err := file.Close(); err != nil {
		return t, nil, nil, errors.Join(err, remove())
	}
	p, err := startProcess(ctx, s, func() *exec.Cmd {
		c := exec.Command("node", "server.mjs")
		c.Dir = dir
		c.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+file.Name(), "NODE_NO_WARNINGS=1")
		return c
	}, log)
	if err != nil {
		return t, nil, nil, errors.Join(err, remove())
	}
	t = conformance.Target{Issuer: s.issuer(), TLS: w.trust, Documents: w.documents, Scopes: []string{"read", "write"}, Person: providerPerson,
		ResourceIdentifier: "https://api.example/v1", OtherResource: "https://files.example/api",
		Users: []conformance.User{{Name: "ana", Password: "any"}, {Name: "ben", Password: "any"}}}
	return t, p, func() error { return errors.Join(p.stop(), remove()) }, nil
}

var abort = regexp.MustCompile(`<a href="([^"]*/abort)"`)

// providerPerson knows that the development pages of oidc-provider say no by a link.
func providerPerson(page *conformance.Page, user conformance.User, decision conformance.Decision) (*http.Request, error) {
	if link := abort.FindStringSubmatch(page.Body); link != nil && decision == conformance.Deny && !strings.Contains(page.Body, `name="password"`) {
		to, err := page.URL.Parse(link[1])
		if err != nil {
			return nil, err
		}
		return http.NewRequest(http.MethodGet, to.String(), nil)
	}
	return conformance.FillForms(page, user, decision)
}

var (
	signInForm = regexp.MustCompile(`<form method="POST" action="(/login/username|/device/login)"`)
	hidden     = regexp.MustCompile(`<input type="hidden" name="(id|user_code)" value="([^"]*)">`)
)

// zitadelPerson knows the example's pages: its password field is none by its type, and its
// confirmation of a device has buttons of script.
func zitadelPerson(page *conformance.Page, user conformance.User, decision conformance.Decision) (*http.Request, error) {
	form, id := signInForm.FindStringSubmatch(page.Body), hidden.FindStringSubmatch(page.Body)
	switch {
	case strings.Contains(page.Body, "./confirm?action="):
		action := map[conformance.Decision]string{conformance.Allow: "allowed", conformance.Deny: "denied"}[decision]
		if action == "" {
			return nil, nil
		}
		to, err := page.URL.Parse("./confirm?action=" + action)
		if err != nil {
			return nil, err
		}
		return http.NewRequest(http.MethodGet, to.String(), nil)
	case form == nil || id == nil:
		return conformance.FillForms(page, user, decision)
	case strings.Contains(page.Body, "username or password wrong"):
		return nil, nil
	case decision != conformance.Allow && form[1] == "/login/username":
		return nil, fmt.Errorf("%w: who signs in has consented, in the example", conformance.ErrNoChoice)
	}
	to, err := page.URL.Parse(form[1])
	if err != nil {
		return nil, err
	}
	values := url.Values{id[1]: {id[2]}, "username": {user.Name}, "password": {user.Password}}
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, err
}
