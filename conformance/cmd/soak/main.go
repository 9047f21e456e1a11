// Command soak keeps a server busy for half an hour and shows that it does not grow: memory,
// goroutines, file descriptors and the store stay where they were after the first minutes.
//
//	go run ./conformance/cmd/soak
//	go run ./conformance/cmd/soak -for 1m -backend postgres
//
// The server runs in a process of its own, on a store that begins to fail, hang or panic every few
// seconds for a moment. Clients connect users, exchange codes, refresh, introspect, call the API,
// revoke, hang up in the middle of a request and send what no server should take. Everything lives
// for seconds, so that as much ends as begins: codes and access tokens expire, refresh tokens are
// rotated and forgotten, the store sweeps.
//
// Every 15 seconds the load pauses and the server is asked for its figures after a collection of
// garbage, so that what is counted is what stays and not what is under way. The first fifth of the
// run fills caches and is not judged. The exit status is 1 if anything grew, or if a request got
// an answer that no fault explains.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	if os.Getenv(childEnv) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "soak: the server:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run() error {
	length := flag.Duration("for", 30*time.Minute, "how long")
	backend := flag.String("backend", "bolt", "bolt, postgres or memory")
	clients := flag.Int("clients", 16, "how many clients at once")
	every := flag.Duration("every", 15*time.Second, "how often to look")
	out := flag.String("json", "", "write the figures to this file as well")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	folder, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s, err := startServer(*backend, folder)
	if err != nil {
		return err
	}
	defer s.stop()
	l := newLoad(s.address, *clients)
	fmt.Printf("%8s %10s %8s %8s %11s %6s %9s %9s %9s\n", "minute", "requests", "heap MiB", "RSS MiB", "goroutines", "files", "store MiB", "faults", "refused")
	var all []figures
	end := time.Now().Add(*length)
	l.begin()
	for time.Now().Before(end) && ctx.Err() == nil {
		select {
		case <-time.After(min(*every, time.Until(end))):
		case <-ctx.Done():
		}
		l.pause()
		f, err := s.look()
		l.resume()
		if err != nil {
			return err
		}
		f.Requests, f.Unavailable = l.sent.Load(), l.unavailable.Load()
		f.At = *length - time.Until(end)
		all = append(all, *f)
		fmt.Println(f)
	}
	l.end()
	if *out != "" {
		text, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			err = os.WriteFile(*out, append(text, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(l.wrong(), judge(all))
}
