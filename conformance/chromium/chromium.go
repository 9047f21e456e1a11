// Package chromium is a real browser for the conformance suite: a headless Chromium that loads a
// server's pages, scripts and all, and in which a user signs in and decides as
// conformance.FillForms does.
//
//	browser, err := chromium.Start(ctx, chromium.Options{})
//	…
//	defer browser.Close()
//	report, err := conformance.Check(ctx, conformance.Target{Issuer: …, Users: …, Browser: browser.Open}, conformance.Options{})
package chromium

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/headless"
)

// ErrNotInstalled says that there is no Chromium on the machine.
var ErrNotInstalled = headless.ErrNotInstalled

// Options say what the browser trusts, and how far it is trusted.
type Options struct {
	// TLS is what the suite itself trusts, as in conformance.Target: the browser talks to the
	// servers that pass it and to no others. Nil leaves that to Chromium.
	TLS *tls.Config

	// NoSandbox leaves Chromium's sandbox off, which does not start in every container, and never
	// as root. It is for servers of one's own.
	NoSandbox bool
}

// Chromium is a running browser.
type Chromium struct {
	ctx   context.Context
	stop  func()
	trust *trust
}

// Start starts one. Close it when it is not needed any more. Where there is none the error is
// ErrNotInstalled.
func Start(ctx context.Context, o Options) (*Chromium, error) {
	browser, stop, err := headless.Start(ctx, headless.Options{Unconfined: o.NoSandbox})
	if err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	c := &Chromium{ctx: browser, stop: stop}
	if o.TLS != nil {
		c.trust = &trust{config: o.TLS, asked: map[string]func() error{}}
	}
	return c, nil
}

// Close ends it.
func (c *Chromium) Close() error {
	c.stop()
	return nil
}

// Open opens a window that shares no cookies with others, for conformance.Target.Browser.
func (c *Chromium) Open(user conformance.User) (conformance.Browser, error) {
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	w := &window{ctx: ctx, cancel: cancel, user: user, trust: c.trust, loading: map[network.RequestID]bool{}}
	err := errors.Join(chromedp.Listen(ctx, w.hear), w.prepare())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("chromium: %w", err), w.Close())
	}
	return w, nil
}

// trust asks whether a server passes the suite's own idea of TLS, once for each.
type trust struct {
	config *tls.Config

	mu    sync.Mutex
	asked map[string]func() error
}

func (t *trust) verify(u *url.URL) error {
	if u.Scheme != "https" {
		return nil
	}
	address := net.JoinHostPort(u.Hostname(), u.Port())
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	t.mu.Lock()
	ask := t.asked[address]
	if ask == nil {
		ask = sync.OnceValue(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			connection, err := (&tls.Dialer{Config: t.config.Clone()}).DialContext(ctx, "tcp", address)
			if err == nil {
				err = connection.Close()
			}
			return err
		})
		t.asked[address] = ask
	}
	t.mu.Unlock()
	return ask()
}

// prepare has the window show every request before it leaves, and every answer to one for a
// page before it is acted on.
func (w *window) prepare() error {
	tab := chromedp.FromContext(w.ctx)
	if tab == nil || tab.Target == nil {
		return errors.New("no tab was opened")
	}
	w.frame = cdp.FrameID(tab.Target.TargetID)
	if _, err := chromedp.Call(w.ctx, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	if _, err := chromedp.Call(w.ctx, page.Enable, page.EnableParams{}); err != nil {
		return err
	}
	if w.trust != nil { // decide asks it instead
		if _, err := chromedp.Call(w.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
			return err
		}
	}
	_, err := chromedp.Call(w.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{
		{URLPattern: "*", RequestStage: fetch.RequestStageRequest},
		{URLPattern: "*", RequestStage: fetch.RequestStageResponse, ResourceType: network.ResourceTypeDocument},
	}})
	return err
}
