package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// callbackPath is that of the registered redirect URI, http://127.0.0.1/callback. The port
// is whatever is free (RFC 8252 §7.3).
const callbackPath = "/callback"

// patience is how long the user may take in the browser.
const patience = 10 * time.Minute

// Login signs the user in through the browser on this machine: authorization code with PKCE
// over a loopback redirect (RFC 8252 §7.3).
func (c *Client) Login(ctx context.Context, issuer string) error {
	m, err := discover(ctx, issuer)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // not localhost, which may be another address (§8.3)
	if err != nil {
		return fmt.Errorf("no port to wait for the browser on: %w; try login -device", err)
	}
	config := c.config(m, "http://"+listener.Addr().String()+callbackPath)
	verifier := oauth2.GenerateVerifier()
	back := &callback{state: rand.Text(), issuer: m.Issuer, wantISS: m.ISSInResponses, answers: make(chan answer, 1)}
	server := &http.Server{Handler: back, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer func() { // lets the last page get through to the browser
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()

	page := config.AuthCodeURL(back.state, oauth2.S256ChallengeOption(verifier))
	if c.OpenBrowser == nil || c.OpenBrowser(page) != nil {
		fmt.Fprintf(c.Say, "Open this page in the browser of this machine to sign in:\n\n  %s\n\n", page)
	} else {
		fmt.Fprintf(c.Say, "Your browser opens a page to sign in. If it does not, open this one:\n\n  %s\n\n", page)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-waiting.Done():
		return fmt.Errorf("nobody came back from the browser: %w", waiting.Err())
	case a := <-back.answers:
		err := a.err
		if err == nil {
			err = c.redeem(ctx, m, config, a.code, verifier)
		}
		a.done <- err // the page in the browser tells as well
		return err
	}
}

// redeem exchanges the code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (c *Client) redeem(ctx context.Context, m *metadata, config *oauth2.Config, code, verifier string) error {
	token, err := config.Exchange(withHTTP(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return explain("the login could not be finished", err)
	}
	return c.signedIn(ctx, m, token)
}

// callback waits for the browser to come back.
type callback struct {
	state, issuer string
	wantISS       bool
	answers       chan answer // holds the one that counts
}

// answer is what the browser brings. What came of it goes to done.
type answer struct {
	code string
	err  error
	done chan error
}

func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != callbackPath || r.Method != http.MethodGet {
		http.NotFound(w, r) // a favicon, or somebody looking at ports
		return
	}
	q := r.URL.Query()
	// What does not know our state is not the answer to our question: another program or a
	// web page made it up (RFC 6749 §10.12). It must not end the login of the user either.
	if one(q, "state") != b.state {
		say(w, http.StatusBadRequest, "This is not the answer that the program waits for.")
		return
	}
	a := answer{done: make(chan error, 1)}
	a.code, a.err = b.read(q)
	select {
	case b.answers <- a:
	default:
		say(w, http.StatusBadRequest, "The program has its answer already.")
		return
	}
	select {
	case <-r.Context().Done():
	case err := <-a.done:
		if err != nil {
			say(w, http.StatusOK, "You are not signed in. The program in your terminal says why.")
			return
		}
		say(w, http.StatusOK, "You are signed in. Close this page and go back to your terminal.")
	}
}

// read takes the code out of an authorization response (RFC 6749 §4.1.2).
func (b *callback) read(q url.Values) (code string, err error) {
	// RFC 9207 §2.4, before anything else in it counts: an error may come from the wrong
	// server too. One that says it sends iss always does.
	if iss := one(q, "iss"); iss != b.issuer && (b.wantISS || q.Has("iss")) {
		return "", fmt.Errorf("the answer came from %q and not from %s, which was asked: the login is off", iss, b.issuer)
	}
	switch problem := one(q, "error"); {
	case problem == "access_denied":
		return "", errors.New("the login was refused in the browser")
	case q.Has("error"):
		return "", fmt.Errorf("the server says %q: %.300q", problem, one(q, "error_description"))
	case one(q, "code") == "":
		return "", errors.New("the answer from the browser holds no code")
	}
	return one(q, "code"), nil
}

// one is a parameter that is there once, as all have to be (RFC 6749 §3.1); empty otherwise.
func one(q url.Values, name string) string {
	if len(q[name]) != 1 {
		return ""
	}
	return q[name][0]
}

// say shows a page with this text.
func say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the code
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`+
		`<title>Sign in</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:20vh auto;padding:0 1rem;color-scheme:light dark}</style><p>%s</p></html>`+"\n", text)
}
