package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2"
)

// play is -check: the story of the demo over real HTTP, one line a step, ending at the
// first thing that is not so.
func play(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // it takes seconds; a hang is a failure
	defer cancel()
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := &checker{ctx: ctx, visitor: newVisitor(), file: filepath.Join(dir, "quickstart.db"), clock: new(demoClock)}
	if c.demo, err = start("127.0.0.1:0", "127.0.0.1:0", c.file, c.clock); err != nil {
		return err
	}
	defer func() {
		if c.demo != nil { // the restart may have failed half way
			err = errors.Join(err, c.demo.stop())
		}
	}()
	for _, s := range c.story() {
		if err := s.do(); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", s.is, err)
		}
		fmt.Fprintln(out, "ok  ", s.is)
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

// checker plays all parts: a user at a browser (check_board.go), and a client of its
// own (check_client.go).
type checker struct {
	*visitor
	ctx   context.Context
	demo  *demo
	file  string
	clock *demoClock

	redeemed  []field       // the code that Status board redeemed, and its verifier
	mobile    *oauth2.Token // of the public client
	used      *oauth2.Token // mobile before its refresh
	keptBoard *oauth2.Token // these two live on over the restart
	kept      *oauth2.Token
	keptSince time.Time
}

// beat is one step of the story: what is so, and how to find out.
type beat struct {
	is string
	do func() error
}

func (c *checker) story() []beat {
	return []beat{
		{"Pager finds nothing between itself and its clients (handlers.Check)", c.reachable},
		{"the metadata names the issuer and demands PKCE with S256", c.metadata},
		{"both kinds of client are refused without PKCE, and with the plain method", c.pkceForEveryone},
		{"the API refuses a call without a token: 401, Bearer", c.noToken},

		{"Status board sends the browser to Pager, whose own sign-in page comes up", c.connect},
		{"a wrong password is refused; " + demoUser + " signs in and is asked for consent", c.signIn},
		{"allowing it brings Status board a code, and for the code a JWT and a refresh token", c.allow},
		{"the JWT is for this client, user and API, and for one hour", c.readJWT},
		{"Status board reads the alert sources with it, and adds one that Pager then lists", c.callAPI},
		{"59 minutes later it is still good", c.stillGood},
		{"after two more the API says 401; Status board refreshes and goes on where it stopped", c.expire},
		{"the button \"Refresh\" does so at any time", c.pressRefresh},
		{"the code comes back, the request byte for byte: invalid_grant", c.replayCode},
		{"Status board connects again, without asking: the consent is remembered", c.reconnect},
		{"it revokes: the API says 401 at once, and the refresh token is dead", c.revoke},
		{demoUser + " disconnects it on Pager's page: dead at once, and the next time she is asked", c.disconnect},

		{"without its secret, or with a wrong one, Status board is nobody: 401 invalid_client", c.secretIsNeeded},
		{"a code works once, even within its minute; the second time takes the tokens along", c.replayFreshCode},
		{"a public client gets tokens without a secret, and a refresh token through offline_access", c.connectMobile},
		{"its user unticked source:w: reading works, writing is 403 insufficient_scope", c.readOnly},
		{"without offline_access it gets no refresh token", c.noOfflineAccess},
		{"its token expires: 401; it refreshes and goes on", c.refreshMobile},
		{"the same refresh at once, its answer lost: the same answer", c.repeatRefresh},
		{"the old refresh token a minute later: invalid_grant", c.replayRefresh},
		{"and with that its successor and the access token are dead", c.familyIsDead},

		{"restart on the same file: the remaining tokens are still good, the dead ones dead", c.restart},
		{"364 days after the consent the refresh tokens are good", c.almostAYear},
		{"366 days after it they are not", c.overAYear},
	}
}
