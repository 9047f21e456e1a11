// Package browser drives a real headless Chromium, for tests that have to see what a
// person would see: whether a page loads under its own Content-Security-Policy, whether
// it fits a phone, whether the keyboard reaches everything.
//
//	page := browser.Open(t, "http://127.0.0.1:8080/")
//	page.Click("button.allow")
//	page.Await("document.title === 'Signed in'")
//
// Where Chromium is not installed the test skips and says so, or fails if
// GRANTOR_REQUIRE_ALL is set.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/grantor-oauth/grantor/conformance/internal/headless"
)

// patience is how long anything may take to come true.
const patience = 20 * time.Second

// Page is one tab of one browser. Everything it is told to do fails the test if it
// cannot be done.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// Open starts a browser with an empty profile and opens a page. The browser ends with
// the test.
func Open(t testing.TB, url string) *Page {
	t.Helper()
	// Not of t.Context, which ends before the clean-up that closes the browser.
	ctx, stop, err := headless.Start(context.Background(), headless.Options{Unconfined: true})
	if errors.Is(err, headless.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	t.Cleanup(stop)
	p := &Page{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatalf("browser: %v", err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatalf("browser: %v", err)
	}
	p.Visit(url)
	return p
}

// For is the same page for a subtest.
func (p *Page) For(t testing.TB) *Page {
	p.t = t
	return p
}

// hear keeps what the browser complains about.
func (p *Page) hear(event any) {
	if e, ok := event.(*log.EventEntryAdded); ok {
		p.mu.Lock()
		p.problems = append(p.problems, e.Entry.Text)
		p.mu.Unlock()
	}
}

// run does one thing, in its time.
func run[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("browser: %s: %v\nat %s", what, err, p.where())
	}
	return value
}

// call sends one command of the DevTools protocol.
func call[P, R any](p *Page, what string, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatalf("browser: %s: %v\nat %s", what, err, p.where())
	}
	return result
}

// where describes the page for whoever reads the failure.
func (p *Page) where() string {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	s, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	return fmt.Sprintf("%s\n%v", s, p.Problems())
}

// Visit goes to an address and waits until it has loaded.
func (p *Page) Visit(url string) {
	p.t.Helper()
	run(p, "visiting "+url, chromedp.Navigate(url))
}

// Eval is the value of a JavaScript expression in the page.
func (p *Page) Eval(expression string) any {
	p.t.Helper()
	return run(p, expression, chromedp.Evaluate[any]("("+expression+") ?? null"))
}

// Await waits until a JavaScript expression holds, in this page or in the one that
// comes next.
func (p *Page) Await(expression string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && !!("+expression+")"))
		cancel()
		if err == nil && holds {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("browser: %s did not come true (%v)\nat %s", expression, err, p.where())
		}
	}
}

// Click clicks on the element that a CSS selector names, as a person would: it has to
// be visible.
func (p *Page) Click(selector string) {
	p.t.Helper()
	run(p, "clicking "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types into the element that a CSS selector names.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	run(p, "typing into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Keys for [Page.Press].
const (
	Tab   = kb.Tab
	Enter = kb.Enter
	Space = " "
)

// Press presses a key where the focus is.
func (p *Page) Press(key string) {
	p.t.Helper()
	run(p, "pressing a key", chromedp.KeyEvent(key))
}

// Resize makes the window this wide; below 500 pixels it is a phone's.
func (p *Page) Resize(width int) {
	p.t.Helper()
	call(p, "resizing", emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: 900, DeviceScaleFactor: 1, Mobile: width < 500,
	})
}

// Dark switches between the light and the dark colour scheme.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(p, "setting the colour scheme", emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	p.Await("document.getAnimations().length === 0") // transitions between the two
}

// Screenshot writes the whole page to name.png in the folder that the environment
// variable GRANTOR_SCREENSHOTS names. Without it nothing happens.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("GRANTOR_SCREENSHOTS")
	if dir == "" {
		return
	}
	png := run(p, "taking a screenshot", chromedp.FullScreenshot(100))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Problems are what the browser has complained about so far: blocked content, failed
// requests, script errors.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.problems...)
}
