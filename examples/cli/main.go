// CLI is a command-line program that signs its user in, and the app that it is for: Pager,
// with the authorization server inside. The program has both ways in: through the browser of
// the same machine (RFC 8252), and through one elsewhere (RFC 8628).
//
//	go run ./examples/cli server           # Pager; the rest in another terminal
//	go run ./examples/cli login            # or login -device, as over ssh
//	go run ./examples/cli whoami
//	go run ./examples/cli logout
//	go run ./examples/cli -check           # all of it, played over HTTP
//
// Look at what login says it does, at the file that whoami names, and at the file again when
// five minutes later whoami has refreshed the tokens. The client is the package client beside
// this file; take it along.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/grantor-oauth/grantor/examples/cli/client"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.Is(err, client.ErrSignedOut):
		fmt.Fprintf(os.Stderr, "%v; run login first\n", err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const usage = `usage:
  server [-listen ADDRESS] [-db FILE]                     run Pager
  login [-device] [-server URL] [-no-browser] [-dir DIR]  sign in to it
  whoami [-dir DIR]                                       ask it who is signed in
  logout [-dir DIR]                                       sign out
  -check                                                  play all of that, and stop
`

// run is the program, with these arguments.
func run(ctx context.Context, args []string, out io.Writer) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	switch command {
	case "server":
		address := flags.String("listen", "127.0.0.1:8080", "where to listen")
		file := flags.String("db", "cli.db", "where to keep grants and keys")
		if err := parse(flags, args); err != nil {
			return err
		}
		return serve(ctx, *address, *file, out)
	case "login", "whoami", "logout":
		return runClient(ctx, command, flags, args, out)
	case "-check", "--check":
		program, err := os.Executable()
		if err != nil {
			return err
		}
		return play(ctx, program, out)
	}
	fmt.Fprint(os.Stderr, usage)
	return flag.ErrHelp
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // which flags has explained
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q? %s takes flags alone", flags.Arg(0), flags.Name())
	}
	return nil
}

// serve runs Pager until ctx ends.
func serve(ctx context.Context, address, file string, out io.Writer) (err error) {
	db, err := bolt.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	host, err := newHost("http://"+address, db, nil)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, Handler: host, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(out, "Pager is at http://%s; now run login in another terminal, and sign in as anybody.\n", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// runClient is the half that users have.
func runClient(ctx context.Context, command string, flags *flag.FlagSet, args []string, out io.Writer) error {
	var device, noBrowser bool
	var server string
	folder := flags.String("dir", "", "where to keep the login (default pager-cli in your configuration folder)")
	if command == "login" {
		flags.StringVar(&server, "server", "http://127.0.0.1:8080", "Pager's `URL`")
		flags.BoolVar(&device, "device", false, "sign in with a browser on another machine")
		flags.BoolVar(&noBrowser, "no-browser", false, "do not open a browser, only say the address")
	}
	if err := parse(flags, args); err != nil {
		return err
	}
	if *folder == "" {
		configuration, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("%w; name a folder with -dir", err)
		}
		*folder = filepath.Join(configuration, "pager-cli")
	}
	store, err := client.OpenStore(*folder)
	if err != nil {
		return err
	}
	c := &client.Client{ID: clientID, Scopes: []string{readMe, "offline_access"}, Store: store, Say: out, OpenBrowser: client.OpenBrowser}
	if noBrowser {
		c.OpenBrowser = nil
	}
	switch command {
	case "login":
		signIn := c.Login
		if device {
			signIn = c.LoginOnDevice
		}
		if err := signIn(ctx, server); err != nil {
			return err
		}
		return whoami(ctx, c, out)
	case "logout":
		if err := c.Logout(ctx); err != nil {
			return err
		}
		fmt.Fprintln(out, "You are signed out.")
		return nil
	}
	return whoami(ctx, c, out)
}

// whoami asks the API.
func whoami(ctx context.Context, c *client.Client, out io.Writer) error {
	answer, err := c.Get(ctx, "/api/me")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer of Pager is %s", answer.Status)
	}
	var m me
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&m); err != nil {
		return fmt.Errorf("what Pager answers is not to be understood: %w", err)
	}
	fmt.Fprintf(out, "You are %s, and on call from %s. The login is kept in %s.\n", m.User, m.OnCall.Local().Format("Monday, 2 January, 15:04"), c.Store.File())
	return nil
}
