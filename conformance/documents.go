package conformance

import (
	"crypto/tls"
	"net/http"
	"strings"
	"sync"
)

// Documents is a place on the web at which the suite publishes what clients publish. Whoever
// runs the suite serves it, as a handler, under an https origin that the server can reach.
type Documents struct {
	// TLS has a certificate for localhost and 127.0.0.1 that the server trusts, for cases about
	// servers that go to their own machine. Nil where there is none.
	TLS *tls.Config

	origin string

	mu       sync.Mutex
	handlers map[string]http.Handler
	asked    map[string]int
}

// NewDocuments is such a place, which the server reaches under an origin such as
// https://suite.example.com.
func NewDocuments(origin string) *Documents {
	return &Documents{origin: strings.TrimSuffix(origin, "/"), handlers: map[string]http.Handler{}, asked: map[string]int{}}
}

// ServeHTTP serves what is published.
func (d *Documents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	h := d.handlers[r.URL.Path]
	d.asked[r.URL.Path]++
	d.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

func (d *Documents) set(path string, h http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handlers[path] = h; h == nil {
		delete(d.handlers, path)
	}
}

// times is how often a path was asked for.
func (d *Documents) times(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[path]
}

// publication is something that the case has published.
type publication struct {
	d    *Documents
	path string
	url  string
}

// publish publishes something under a new URL until the case is over.
func (p *probe) publish(h http.Handler) *publication {
	d := p.run.target.Documents
	if d == nil {
		p.notTested("the server has to fetch something of the suite's: see Target.Documents")
	}
	one := &publication{d: d, path: "/" + p.name("document")}
	one.url = d.origin + one.path
	d.set(one.path, h)
	p.after(func() { d.set(one.path, nil) })
	return one
}

// change replaces what is published.
func (p *publication) change(h http.Handler) { p.d.set(p.path, h) }

// times is how often it was fetched.
func (p *publication) times() int { return p.d.times(p.path) }

// document serves JSON, or what else it is, as what it is.
func document(kind, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(text)) // to a server that may hang up
	})
}
