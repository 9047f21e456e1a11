package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// TestMain is the servers' processes as well.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-serve" {
		hosts["mortal"] = mortal
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// mortal is a server that dies of token requests without a verifier.
func mortal(s *setting) (*hosted, error) {
	h, err := hostFosite(s)
	if err != nil {
		return nil, err
	}
	alive := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/token" && r.PostFormValue("code") != "" && r.PostFormValue("code_verifier") == "" {
			fmt.Fprintln(os.Stderr, "fatal error: no verifier")
			os.Exit(2)
		}
		alive.ServeHTTP(w, r)
	})
	return h, nil
}

func find(t *testing.T, name string) *candidate {
	t.Helper()
	i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("no server %q", name)
	}
	return &candidates[i]
}

func tried(t *testing.T, c *candidate, only ...string) *outcome {
	t.Helper()
	w, err := newWeb()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.close() })
	o, err := try(t.Context(), c, w, only, t.Output(), t.Output())
	if errors.Is(err, errLeftOut) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func statuses(o *outcome) map[string]conformance.Status {
	all := map[string]conformance.Status{}
	for _, r := range o.report.Results {
		all[r.ID] = r.Status
	}
	return all
}

// The suite finds in each server what is known to be there, and nothing that is not. What is
// expected to fail was looked up in the code of each.
func TestServers(t *testing.T) {
	const passed, failed, notOffered = conformance.Passed, conformance.Failed, conformance.NotOffered
	for name, want := range map[string]map[string]conformance.Status{
		// EnforcePKCEForPublicClients is off by default; a failed PKCE check deletes the challenge.
		"fosite": {"pkce-right-verifier": passed, "pkce-wrong-verifier": passed, "pkce-verifier-after-failure": failed,
			"pkce-public-client-without-challenge": failed, "pkce-plain-refused": passed},
		"go-oauth2": {"pkce-right-verifier": passed, "pkce-public-client-without-challenge": failed, "pkce-plain-refused": notOffered},
		// Any code_challenge_method is taken.
		"zitadel":       {"pkce-right-verifier": passed, "pkce-wrong-verifier": passed, "pkce-public-client-without-challenge": failed, "pkce-plain-refused": failed},
		"oidc-provider": {"pkce-right-verifier": passed, "pkce-wrong-verifier": passed, "pkce-public-client-without-challenge": passed, "pkce-plain-refused": passed},
		"grantor":       {"pkce-right-verifier": passed, "pkce-wrong-verifier": passed, "pkce-public-client-without-challenge": passed, "pkce-plain-refused": passed},
	} {
		t.Run(name, func(t *testing.T) {
			o := tried(t, find(t, name), "pkce")
			got := statuses(o)
			for id, status := range want {
				if got[id] != status {
					t.Errorf("%s: %s, want %s", id, got[id], status)
				}
			}
			text := write([]*outcome{o}, time.Now())
			for id, status := range got {
				if strings.Contains(text, "| `"+id+"` |") != (status == failed) {
					t.Errorf("%s, %s, in the comparison:\n%s", id, status, text)
				}
			}
		})
	}
}

// A server that dies is started again: its death counts for the case that brought it about, and
// for no other.
func TestServers_death(t *testing.T) {
	c := *find(t, "fosite")
	c.start = goServer("mortal", func(_ *process, target *conformance.Target) {
		target.Metadata, target.Users = fositeMetadata(target.Issuer), users
	})
	o := tried(t, &c, "pkce-right-verifier", "pkce-wrong-verifier", "pkce-verifier-after-failure")
	if o.deaths != 2 {
		t.Errorf("%d deaths", o.deaths)
	}
	for _, r := range o.report.Results {
		kills := r.ID == "pkce-wrong-verifier" || r.ID == "pkce-verifier-after-failure"
		blamed := len(r.Problems) > 0 && strings.HasPrefix(r.Problems[0], death) && strings.Contains(r.Problems[0], "fatal error: no verifier")
		if kills != blamed {
			t.Errorf("%s: %s, %q", r.ID, r.Status, r.Problems)
		}
		if r.ID == "pkce-right-verifier" && r.Status != conformance.Passed {
			t.Errorf("%s: %s, %q", r.ID, r.Status, r.Problems)
		}
	}
	if text := write([]*outcome{o}, time.Now()); !strings.Contains(text, "process died 2 times") {
		t.Error(text)
	}
}

// A column that is left out says why.
func TestWrite_leftOut(t *testing.T) {
	c := candidate{name: "absent", title: "absent", version: func() (string, error) { return "1", nil },
		start: func(context.Context, *web, io.Writer) (conformance.Target, *process, func() error, error) {
			return conformance.Target{}, nil, nil, fmt.Errorf("%w: it needs | something", errLeftOut)
		}}
	o, err := one(t.Context(), &c, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if text := write([]*outcome{o}, time.Now()); !strings.Contains(text, `| absent | | left out: it needs \| something |`) {
		t.Error(text)
	}
}
