// Package headless starts a headless Chromium.
package headless

import (
	"context"
	"errors"
	"os"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// ErrNotInstalled says that there is no Chromium.
var ErrNotInstalled = errors.New("chromium is not installed")

// Options say how it is started.
type Options struct {
	// Unconfined leaves its sandbox off, which does not start in every container. It is for pages
	// of one's own.
	Unconfined bool
}

// Start starts a browser with an empty profile, as a context of chromedp that is its first tab.
// It lives until stop, whatever becomes of the context that is passed.
func Start(ctx context.Context, o Options) (_ context.Context, stop func(), err error) {
	path, err := find()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	if o.Unconfined || os.Geteuid() == 0 { // as root the sandbox does not start at all
		options = append(options, chromedp.NoSandbox)
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.WithoutCancel(ctx), options...)
	tab, cancel := chromedp.NewContext(allocator)
	stop = func() {
		_ = chromedp.Cancel(tab) // it may be gone already
		cancel()
		cancelAllocator()
	}
	// The first call starts the browser, which lives as long as its context: it gets one without a
	// timeout.
	if err := chromedp.Do(tab); err != nil {
		stop()
		return nil, nil, err
	}
	return tab, stop, nil
}

// find is the program, by the names that it has.
func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}
