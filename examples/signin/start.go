package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// addresses are where each part listens.
type addresses struct{ pager, status, runbooks *string }

// system is all of it, running.
type system struct {
	pagerURL         string
	status, runbooks *site
	servers          []*http.Server

	node *nodeProgram // serves Runbooks, if it is not this program
}

// What Runbooks runs on.
const (
	onGo   = "go"
	onNode = "node"
)

// start starts Pager and the two sites, each on a port of its own, with nothing in common but
// what the one registers of the other. Runbooks runs on Node, if that is what on says, and on Go
// otherwise.
func start(ctx context.Context, at addresses, store storage.Store, on string) (_ *system, err error) {
	s := &system{}
	var listeners []net.Listener
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
		}
	}()
	var urls [3]string
	for i, address := range []*string{at.pager, at.status, at.runbooks} {
		l, err := net.Listen("tcp", *address)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
		urls[i] = "http://" + l.Addr().String()
	}
	s.pagerURL = urls[0]
	secret, hashed := authz.NewSecret()
	key, err := newClientKey()
	if err != nil {
		return nil, err
	}
	pager, err := newPager(s.pagerURL, store, statusClient(urls[1], hashed), runbooksClient(urls[2], key.public))
	if err != nil {
		return nil, err
	}
	s.serve(listeners[0], pager)
	// Pager is up: the sites find the rest by its name (OpenID Connect Discovery §4).
	var errs [2]error
	s.status, errs[0] = newSite(ctx, siteConfig{
		name: "Status", url: urls[1], issuer: s.pagerURL, id: "status", secret: secret, algorithm: "RS256", scopes: []string{"profile", "email"},
	})
	s.runbooks, errs[1] = newSite(ctx, siteConfig{
		name: "Runbooks", url: urls[2], issuer: s.pagerURL, id: "runbooks", key: key, algorithm: "ES256", scopes: []string{"profile"},
	})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.serve(listeners[1], s.status.handler())
	if on != onNode {
		s.serve(listeners[2], s.runbooks.handler())
		return s, nil
	}
	if s.node, err = startNode(ctx, s.runbooks.siteConfig); err != nil {
		return nil, errors.Join(fmt.Errorf("starting Runbooks on Node: %w", err), s.stop())
	}
	s.serve(listeners[2], s.node)
	return s, nil
}

func (s *system) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	s.servers = append(s.servers, server)
	go server.Serve(l)
}

// stop ends all servers, once they have answered what they were asked.
func (s *system) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) { // a connection that was opened and never used
			err = server.Close()
		}
		errs = append(errs, err)
	}
	if s.node != nil {
		errs = append(errs, s.node.stop())
	}
	return errors.Join(errs...)
}
