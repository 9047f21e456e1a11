package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// play is -check: a purchase over real HTTP, and then what has to be refused, one line a step,
// ending at the first thing that is not so.
func play(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	slog.SetLogLoggerLevel(slog.LevelError + 1) // the refusals are meant
	defer slog.SetLogLoggerLevel(slog.LevelInfo)
	dir, err := os.MkdirTemp("", "services")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := bolt.Open(filepath.Join(dir, "services.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c := &checker{ctx: ctx}
	free := "127.0.0.1:0"
	c.system, err = start(addresses{&free, &free, &free, &free, &free}, db, &hops{out: out}, func(config *authz.Config) { config.Events = c.hear })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	for _, step := range []struct {
		is string
		do func() error
	}{
		{"ana buys a teapot: six calls", c.buy},
		{"each token was for one service, for no more than that has to do, and named who acts", c.wentAsItShould},
		{"a token for billing is refused at ledger and at orders, and without one nothing goes", c.wrongAudience},
		{"a token with less than a call needs is refused with the scope that is missing", c.tooNarrow},
		{"a service does nothing for itself that is done for users", c.ownAccount},
		{"orders cannot get a scope that it lacks, nor one that the user's token lacks", c.scopes},
		{"orders cannot get a token for ledger, which it does not call", c.target},
		{"billing cannot exchange a token that was sent to orders", c.found},
		{"nobody becomes the user (impersonation), nor acts as another service", c.actor},
		{"an assertion is good once, for this server, by the client's own key", c.assertion},
		{"ana disconnects the shop: what her token was exchanged for cannot be exchanged any more", c.disconnect},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", step.is, err)
		}
		fmt.Fprintln(out, "ok  ", step.is)
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

// checker plays the user, and services that try what they should not.
type checker struct {
	*system
	ctx context.Context

	mu     sync.Mutex
	reason string // of what the server has refused last

	user    string // ana's token for orders, as the shop has it
	payment string // what orders exchanges it for, to call billing
}

func (c *checker) hear(_ context.Context, e authz.Event) {
	if e.Type == authz.RequestRefused {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reason = e.Reason
	}
}

// refused holds that the server has refused this, with that error and for that reason.
func (c *checker) refused(err error, code, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var r *refusal
	if !errors.As(err, &r) || r.Code != code || c.reason != reason {
		return fmt.Errorf("expected %s (%s), got %v (%s)", code, reason, err, c.reason)
	}
	return nil
}

// barred holds that an API has answered with this status, and with these words.
func barred(err error, status int, words string) error {
	var e *callError
	if !errors.As(err, &e) || e.status != status || !strings.Contains(e.text, words) {
		return fmt.Errorf("expected %d and %q, got %v", status, words, err)
	}
	return nil
}
