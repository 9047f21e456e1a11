package chromium

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/grantor-oauth/grantor/conformance"
)

const (
	// quiet is how long nothing may happen for a page to be what it will be.
	quiet = 150 * time.Millisecond

	// reaction is how long a page may take to do something about a button.
	reaction = 3 * time.Second

	// patience is how long a page may take to load.
	patience = 20 * time.Second

	mostSteps = 25
)

// window is a window with cookies of its own. It is conformance.Browser.
type window struct {
	ctx    context.Context
	cancel context.CancelFunc
	user   conformance.User
	trust  *trust
	frame  cdp.FrameID // the page's own

	mu      sync.Mutex
	arrived func(*url.URL) bool
	sentTo  *url.URL // to what arrived told
	refused error    // what kept a page from loading
	status  int      // of the page
	header  http.Header
	loading map[network.RequestID]bool
	leaving bool      // for another page, which is not there yet
	asked   time.Time // when the page asked for that, until something comes of it
	begun   int       // how many requests and navigations there were
	last    time.Time
}

// Close is conformance.Browser.
func (w *window) Close() error {
	_ = chromedp.Cancel(w.ctx) // it may be gone already
	w.cancel()
	return nil
}

// hear notes that something happens, and leaves decisions to decide: it must not wait.
func (w *window) hear(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *fetch.EventRequestPaused:
		go w.decide(e)
	case *network.EventRequestWillBeSent:
		w.loading[e.RequestID] = true
		w.begun++
	case *network.EventLoadingFinished:
		delete(w.loading, e.RequestID)
	case *network.EventLoadingFailed:
		delete(w.loading, e.RequestID)
	case *page.EventFrameRequestedNavigation:
		w.begun++
		if e.FrameID == w.frame {
			w.asked = time.Now()
		}
	case *page.EventFrameStartedLoading:
		w.begun++
		w.leaving = w.leaving || e.FrameID == w.frame
	case *page.EventFrameStoppedLoading:
		if e.FrameID == w.frame {
			w.leaving, w.asked = false, time.Time{}
		}
	case *page.EventNavigatedWithinDocument:
		w.begun++
	case *page.EventFrameNavigated, *page.EventLoadEventFired:
	default:
		return
	}
	w.last = time.Now()
}

// decide lets a request go or not, and an answer count or not.
func (w *window) decide(e *fetch.EventRequestPaused) {
	if w.stops(e) {
		_, _ = chromedp.Call(w.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted}) // the window may be closed
		return
	}
	_, _ = chromedp.Call(w.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID}) // as above
}

// stops tells whether the browser must not go on: it would leave for where the client is, or for
// a server that is not who it says.
func (w *window) stops(e *fetch.EventRequestPaused) bool {
	u, err := url.Parse(e.Request.URL + e.Request.URLFragment)
	if err != nil {
		return false
	}
	page := e.ResourceType == network.ResourceTypeDocument && e.FrameID == w.frame
	if e.ResponseStatusCode != 0 || e.ResponseErrorReason != "" {
		return page && w.answered(u, e)
	}
	if page && w.told(submitted(u, e.Request)) {
		return true
	}
	if w.trust == nil {
		return false
	}
	err = w.trust.verify(u)
	if err != nil && page {
		w.mu.Lock()
		w.refused = fmt.Errorf("%s: %w", u.Host, err)
		w.mu.Unlock()
	}
	return err != nil
}

// answered looks at the answer to a request for a page. Redirects are seen here since the browser
// does not ask about those to an application, by a scheme of its own.
func (w *window) answered(u *url.URL, e *fetch.EventRequestPaused) bool {
	header := http.Header{}
	for _, field := range e.ResponseHeaders {
		header.Add(field.Name, field.Value)
	}
	if location := header.Get("Location"); location != "" && e.ResponseStatusCode >= 300 && e.ResponseStatusCode < 400 {
		if to, err := u.Parse(location); err == nil && w.told(to) {
			return true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.header = int(e.ResponseStatusCode), header
	return false
}

// submitted is where a request goes, with a form that it sends in its query.
func submitted(u *url.URL, r *network.Request) *url.URL {
	if r.Method != http.MethodPost {
		return u
	}
	var body strings.Builder
	for _, entry := range r.PostDataEntries {
		body.Write(entry.Bytes)
	}
	to := *u
	if to.RawQuery != "" && body.Len() > 0 {
		to.RawQuery += "&"
	}
	to.RawQuery += body.String()
	return &to
}

// told tells whether a URL is where the client is, and keeps it.
func (w *window) told(u *url.URL) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.arrived == nil || w.sentTo != nil || !w.arrived(u) {
		return w.sentTo != nil // nothing follows it
	}
	w.sentTo = u
	return true
}

// Visit is conformance.Browser.
func (w *window) Visit(ctx context.Context, address string, arrived func(*url.URL) bool, decision conformance.Decision) (*url.URL, *conformance.Page, error) {
	ctx, cancel := w.within(ctx)
	defer cancel()
	w.mu.Lock()
	w.arrived, w.sentTo, w.refused, w.status, w.header = arrived, nil, nil, 0, nil
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.arrived = nil
		w.mu.Unlock()
	}()
	went, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: address})
	if to, problem := w.outcome(); to != nil || problem != nil {
		return to, nil, problem
	}
	if err != nil {
		return nil, nil, fmt.Errorf("chromium: %w", err)
	}
	if went.ErrorText != "" && went.ErrorText != "net::ERR_ABORTED" && went.ErrorText != "net::ERR_HTTP_RESPONSE_CODE_FAILURE" {
		return nil, nil, fmt.Errorf("chromium: the page does not load: %s", went.ErrorText)
	}
	for range mostSteps {
		if err := w.settle(ctx); err != nil {
			return nil, nil, err
		}
		if to, problem := w.outcome(); to != nil || problem != nil {
			return to, nil, problem
		}
		if w.failed() { // there is nothing to do on an error page
			shown, err := w.shown(ctx)
			return nil, shown, err
		}
		before := w.started()
		content := w.content(ctx)
		did, err := w.answer(ctx, decision)
		if err != nil {
			if w.started() != before && ctx.Err() == nil {
				continue // the page went away meanwhile
			}
			return nil, nil, err
		}
		if did && w.reacts(ctx, before, content) {
			continue
		}
		if to, problem := w.outcome(); to != nil || problem != nil {
			return to, nil, problem
		}
		shown, err := w.shown(ctx)
		return nil, shown, err
	}
	return nil, nil, fmt.Errorf("chromium: after %d pages there is no end to it", mostSteps)
}

// within is the window's context, which ends with another one as well.
func (w *window) within(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(w.ctx)
	stop := context.AfterFunc(ctx, cancel)
	return own, func() {
		stop()
		cancel()
	}
}

// outcome is what has ended the visit so far.
func (w *window) outcome() (*url.URL, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused != nil {
		return nil, fmt.Errorf("chromium: %w", w.refused)
	}
	return w.sentTo, nil
}

// failed tells whether the page is an error.
func (w *window) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status != 0 && w.status != http.StatusOK
}

func (w *window) started() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun
}

// content is what the page has, empty for one that is going away.
func (w *window) content(ctx context.Context) string {
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML`)) // an error is such a page
	return text
}

// settle waits until the page has loaded and nothing happens any more, or the visit is over.
func (w *window) settle(ctx context.Context) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		w.mu.Lock()
		over := w.sentTo != nil || w.refused != nil
		still := time.Since(w.last) > quiet && len(w.loading) == 0 && !w.leaving && time.Since(w.asked) > reaction
		w.mu.Unlock()
		if over {
			return nil
		}
		if still {
			// An error is a page that is going away.
			if ready, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete"`)); err == nil && ready {
				return nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil // it may be one that never stops loading: what is there counts
}

// reacts waits until the page does something about what was done on it: it asks for something,
// goes elsewhere, or changes.
func (w *window) reacts(ctx context.Context, before int, content string) bool {
	for deadline := time.Now().Add(reaction); time.Now().Before(deadline); {
		for range 10 {
			if w.started() != before {
				return true
			}
			if pause(ctx, 20*time.Millisecond) != nil {
				return false
			}
		}
		if now := w.content(ctx); now != "" && now != content {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return errors.New("chromium: it took too long")
	case <-time.After(d):
		return nil
	}
}

// shown is the page as it is.
func (w *window) shown(ctx context.Context) (*conformance.Page, error) {
	text, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`[location.href, document.documentElement.outerHTML]`))
	if err != nil || len(text) != 2 {
		return nil, fmt.Errorf("chromium: read the page: %w", err)
	}
	u, err := url.Parse(text[0])
	if err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	if u.Scheme == "chrome-error" {
		return nil, errors.New("chromium: a page does not load to which the server sends the browser")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &conformance.Page{URL: u, Status: w.status, Header: w.header, Body: text[1]}, nil
}
