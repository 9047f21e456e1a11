package faults_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
)

// Another process that serves the same store: this test binary once more, told by its
// environment what to do.
const (
	serveName  = "GRANTOR_FAULTS_SERVE" // the address of the store
	issuerName = "GRANTOR_FAULTS_ISSUER"
	formatName = "GRANTOR_FAULTS_FORMAT"
	graceName  = "GRANTOR_FAULTS_GRACE"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveName) == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve is what the other process does, until nobody holds its standard input any more.
func serve() error {
	store, err := openShared(os.Getenv(serveName))
	if err != nil {
		return err
	}
	defer store.Close()
	slow := NewStore(store)
	slow.Slow(time.Millisecond)
	h, err := Open(slow, sharing(os.Getenv(issuerName), os.Getenv(formatName), os.Getenv(graceName) != "")...)
	if err != nil {
		return err
	}
	defer h.Close()
	fmt.Println(h.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// sharing configures a process that shares a store: all of them have one issuer.
func sharing(issuer, format string, grace bool) []func(*authz.Config) {
	return []func(*authz.Config){realClock, formatted(format), func(c *authz.Config) {
		if issuer != "" {
			c.Issuer = issuer
		}
		if !grace {
			noGrace(c)
		}
	}}
}

// twoProcesses serves one store from this process and from another.
func twoProcesses(t *testing.T, address, format string, grace bool, configure ...func(*authz.Config)) (*host, *Site) {
	t.Helper()
	store, err := openShared(address)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, store, append(sharing("", format, grace), configure...)...)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveName+"="+address, issuerName+"="+h.URL, formatName+"="+format)
	if grace {
		cmd.Env = append(cmd.Env, graceName+"=1")
	}
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the other process does not serve: %v", err)
	}
	other := NewSite(strings.TrimSpace(line))
	t.Cleanup(other.Close)
	return h, other
}

// either is two connections to one store, of which each call takes one.
type either struct {
	storage.Store
	other storage.Store
}

func (e *either) pick() storage.Store {
	if rand.IntN(2) == 0 {
		return e.Store
	}
	return e.other
}

func (e *either) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return e.pick().Code(ctx, d)
}

func (e *either) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return e.pick().Token(ctx, d)
}

func (e *either) Grant(ctx context.Context, id string) (*storage.Grant, error) {
	return e.pick().Grant(ctx, id)
}

func (e *either) Commit(ctx context.Context, w storage.Write) error { return e.pick().Commit(ctx, w) }

func (e *either) Close() error { return errors.Join(e.Store.Close(), e.other.Close()) }
