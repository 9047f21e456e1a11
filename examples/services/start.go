package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

// addresses are where each part listens.
type addresses struct{ issuer, shop, orders, billing, ledger *string }

// urls are where each part is found; those of the services are their resource identifiers.
type urls struct{ issuer, shop, orders, billing, ledger string }

// system is all of it, running.
type system struct {
	urls    urls
	as      *authz.Server
	hops    *hops
	shop    *tokens
	orders  *api
	billing *api
	ledger  *api
	servers []*http.Server
}

// start starts the authorization server, the services and the shop, each on a port of its own.
// change, if it is not nil, has the last word on the configuration.
func start(at addresses, store storage.Store, seen *hops, change func(*authz.Config)) (_ *system, err error) {
	s := &system{hops: seen}
	var listeners []net.Listener
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
		}
	}()
	for _, part := range []struct {
		address *string
		url     *string
	}{{at.issuer, &s.urls.issuer}, {at.shop, &s.urls.shop}, {at.orders, &s.urls.orders}, {at.billing, &s.urls.billing}, {at.ledger, &s.urls.ledger}} {
		l, err := net.Listen("tcp", *part.address)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
		*part.url = "http://" + l.Addr().String()
	}
	if err := s.build(store, change); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, s.as, handlers.Options{Theme: handlers.Theme{Name: "Tea shop"}})
	mux.HandleFunc("/login", login(s.as.ReturnTo))
	for i, h := range []http.Handler{mux, newShop(s.urls.shop, s.urls.orders, s.shop), s.orders.mux, s.billing.mux, s.ledger.mux} {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
		s.servers = append(s.servers, server)
		go server.Serve(listeners[i])
	}
	return s, nil
}

// build makes the parts: each has a key of its own, of which the server learns the public
// half.
func (s *system) build(store storage.Store, change func(*authz.Config)) (err error) {
	var k keys
	of := map[string]*tokens{}
	for id, public := range map[string]*string{"shop": &k.shop, "orders": &k.orders, "billing": &k.billing, "ledger": &k.ledger} {
		if of[id], err = newTokens(id, s.urls.issuer); err != nil {
			return err
		}
		if *public, err = of[id].keySet(); err != nil {
			return err
		}
	}
	config := configure(store, s.urls, k)
	if change != nil {
		change(&config)
	}
	if s.as, err = authz.New(config); err != nil {
		return err
	}
	var errs [3]error
	s.orders, errs[0] = newAPI("orders", s.urls.orders, of["orders"], s.hops)
	s.billing, errs[1] = newAPI("billing", s.urls.billing, of["billing"], s.hops)
	s.ledger, errs[2] = newAPI("ledger", s.urls.ledger, of["ledger"], s.hops)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	newOrders(s.orders, s.urls.billing)
	newBilling(s.billing, s.urls.ledger)
	newLedger(s.ledger, s.urls.orders)
	s.shop = of["shop"]
	return nil
}

// stop ends all servers.
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
	return errors.Join(errs...)
}
