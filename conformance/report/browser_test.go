package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/conformance/report"
)

// The page fits a phone and a desk, light and dark, and opens without script.
func TestHTML_browser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(written(t, report.HTML, sample("\nauthorization_endpoint=https://auth.example/"+hostile))), 0o600); err != nil {
		t.Fatal(err)
	}
	page := browser.Open(t, "file://"+filepath.ToSlash(file))
	page.Click("#pkce-wrong > summary")
	page.Click("#pkce-wrong details > summary")
	page.Await("document.querySelector('#pkce-wrong pre').checkVisibility()")
	for name, width := range map[string]int{"narrow": 390, "wide": 1200} {
		page.Resize(width)
		for scheme, dark := range map[string]bool{"light": false, "dark": true} {
			page.Dark(dark)
			if got := page.Eval("document.documentElement.scrollWidth"); got != float64(width) {
				t.Errorf("%s: the page is %v wide", name, got)
			}
			if page.Eval("(e => e.scrollWidth > e.clientWidth)(document.querySelector('.wide'))") == true {
				t.Errorf("%s: the table is cut", name)
			}
			page.Screenshot("conformance-report-" + name + "-" + scheme)
		}
	}
	if got := page.Problems(); len(got) > 0 {
		t.Errorf("the browser complains: %v", got)
	}
}
