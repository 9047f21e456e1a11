package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	. "github.com/grantor-oauth/grantor/conformance/faults"
)

// apartName is set in the environment of a test process that was started by apart.
const apartName = "GRANTOR_FAULTS_APART"

// apart runs a test in a process of its own, for what would disturb the others.
func apart(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if os.Getenv(apartName) == t.Name() {
		// Go dies of this signal if it is not told otherwise; without it, writing past the
		// limit is an error, EFBIG.
		signal.Ignore(syscall.SIGXFSZ)
		test(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s", "-test.v")
	cmd.Env = append(os.Environ(), apartName+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
}

// withoutDisk takes the disk away from a running server and gives it back. What needs to
// be written is answered with 503 and Retry-After as soon as it does not fit, or done; what
// needs only be read is answered. When the disk is back, so is the server, without
// a restart, and nothing that it ever acknowledged is missing. It returns what is live.
func withoutDisk(t *testing.T, h *host, take func() (mend func())) []pair {
	t.Helper()
	p, q, code := h.tokens(t, "ana", Web), h.tokens(t, "bob", Web), h.code(t, "eve", Web)
	acknowledged := []pair{p, q}

	mend := take()
	failed := 0
	for i := 0; failed < 20; i++ {
		if i == 3000 {
			t.Fatal("the disk never ran out")
		}
		answer := h.Browser(fmt.Sprint("user ", i)).Authorize(First)
		if answer.Outcome() == Coded {
			if answer = h.Redeem(First, answer.Code()); answer.Outcome() == OK {
				acknowledged = append(acknowledged, pairOf(answer))
				continue
			}
		}
		if failed++; answer.Unavailable() != nil {
			t.Fatal(answer.Unavailable())
		}
	}
	t.Logf("%d authorizations went through before", len(acknowledged)-2)
	alive(t, h.Site, p)
	wants(t, "JWKS", h.Get(JWKSPath), OK)
	wants(t, "the list of consents", h.Browser("ana").Consents(), OK)
	if answer := h.Redeem(Web, code); answer.Outcome() != OK {
		if err := answer.Unavailable(); err != nil {
			t.Error(err)
		}
		defer func() { wants(t, "the code, later", h.Redeem(Web, code), OK) }()
	}
	if answer := h.Revoke(Web, q.refresh); answer.Outcome() == OK {
		dead(t, h.Site, Web, q) // it fitted into what space the file has inside
	} else if err := answer.Unavailable(); err != nil {
		t.Error(err)
	} else {
		alive(t, h.Site, q)
	}

	mend()
	wants(t, "revocation, at once", h.Revoke(Web, q.refresh), OK)
	dead(t, h.Site, Web, q)
	acknowledged[1] = h.tokens(t, "bob", Web)
	for _, p := range acknowledged {
		alive(t, h.Site, p)
	}
	acknowledged[0] = issued(t, h.Refresh(Web, p.refresh))
	alive(t, h.Site, acknowledged[0])
	return acknowledged
}
