package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// handler is the proxy: pages of its own, the callback of its client, and everything else
// for one replica after the other.
func (c *cluster) handler() http.Handler {
	d := newDemo(c.issuer)
	own := http.NewServeMux()
	own.HandleFunc("GET /cluster", c.showStatus)
	own.HandleFunc("POST /cluster/kill", c.killOne)
	own.HandleFunc("POST /cluster/connect", d.connect)
	own.HandleFunc("GET /cluster/client", d.show)
	own.HandleFunc("POST /cluster/client", d.act)
	own.Handle("GET /cluster/style.css", http.StripPrefix("/cluster/", http.FileServerFS(files)))
	protected := http.NewCrossOriginProtection().Handler(own) // against forged forms

	mux := http.NewServeMux()
	mux.Handle("/cluster", protected)
	mux.Handle("/cluster/", protected)
	mux.HandleFunc("GET "+callbackPath, d.callback)
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "replica"}) // the transport chooses which
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: -1, DisableKeepAlives: true},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			// The request may have reached a replica before it died: whether to send it
			// again is for the client to decide.
			w.Header().Set("Retry-After", "1")
			http.Error(w, "the replica that had this request is gone; try again", http.StatusBadGateway)
		},
	})
	return mux
}

var turn atomic.Uint64

// dial connects to the next replica that takes connections. Nothing has been sent before
// that, so nothing is ever sent twice.
func (c *cluster) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	first := turn.Add(1)
	var errs []error
	for i := range uint64(len(c.replicas)) {
		r := c.replicas[(first+i)%uint64(len(c.replicas))]
		r.mu.Lock()
		resting := time.Since(r.down) < time.Second
		r.mu.Unlock()
		if resting && i+1 < uint64(len(c.replicas)) {
			continue
		}
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, r.address)
		if err == nil {
			r.served.Add(1)
			return conn, nil
		}
		errs = append(errs, err)
		r.mu.Lock()
		r.down = time.Now()
		r.mu.Unlock()
	}
	return nil, errors.Join(errs...)
}

func (c *cluster) killOne(w http.ResponseWriter, r *http.Request) {
	for _, replica := range c.replicas {
		if replica.name == r.PostFormValue("replica") {
			replica.kill()
		}
	}
	http.Redirect(w, r, "/cluster", http.StatusSeeOther)
}
