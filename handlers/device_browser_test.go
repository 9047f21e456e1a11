package handlers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/handlers"
)

// In a real browser: the pages of the device grant, from the code that is typed to the end.
func TestDeviceInChromium(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	as := authztest.New(t, func(cfg *authz.Config) { cfg.Issuer = server.URL }, withDevices)
	as.SignIn("ana")
	handlers.Mount(mux, as.Server, handlers.Options{Theme: handlers.Theme{Name: "Acme", SupportURL: "/help"}})
	mux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
	begin := func(t *testing.T) *authz.DeviceAuthorization {
		t.Helper()
		d, err := as.AuthorizeDevice(t.Context(), &authz.Request{Parameters: url.Values{"client_id": {"tv"}}})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	page := browser.Open(t, server.URL+"/oauth2/device")
	for _, width := range []int{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("layout_%d_%s", width, scheme), func(t *testing.T) {
				page.For(t).Resize(width)
				page.Dark(scheme == "dark")
				look := func(name string) {
					t.Helper()
					if got := page.Eval("document.documentElement.scrollWidth - innerWidth"); got.(float64) > 0 {
						t.Errorf("%s is %v pixels too wide", name, got)
					}
					page.Screenshot(fmt.Sprintf("device-%s-%d-%s", name, width, scheme))
					if got := page.Eval(contrastFaults); got != "" {
						t.Errorf("%s: WCAG 2.2 §1.4.3: %v", name, got)
					}
					if got := page.Eval(smallTargets); got != "" {
						t.Errorf("%s: WCAG 2.2 §2.5.8: %v", name, got)
					}
				}
				d := begin(t)
				page.Visit(server.URL + "/oauth2/device")
				page.Await("document.activeElement.name === 'user_code'") // without a click
				look("code")
				page.Type("input[name=user_code]", "bcdfghjk")
				page.Press(browser.Enter)
				page.Await("document.querySelector('[role=alert]')")
				look("unknown")
				page.Type("input[name=user_code]", strings.ToLower(strings.Replace(d.UserCode, "-", " ", 1)))
				page.Press(browser.Enter)
				page.Await("document.querySelector('.shown')")
				look("confirm")
				page.Click(".allow")
				page.Await("document.title.startsWith('Connected')")
				look("done")
				if _, err := as.Token(t.Context(), &authz.Request{Parameters: url.Values{
					"client_id": {"tv"}, "grant_type": {deviceGrant}, "device_code": {d.DeviceCode},
				}}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for _, problem := range page.Problems() {
		t.Error(problem)
	}
}
