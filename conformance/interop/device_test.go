package interop_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"testing"

	"golang.org/x/oauth2"
)

var (
	fieldPattern  = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)
	actionPattern = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// golang.org/x/oauth2 as a device, and the user at a browser (RFC 8628).
func TestGoDevice(t *testing.T) {
	h := newHost(t)
	config := h.config("tv", "", oauth2.AuthStyleInParams)
	config.Endpoint.DeviceAuthURL = h.as.Metadata().DeviceAuthorizationEndpoint
	device, err := config.DeviceAuth(t.Context())
	if err != nil || device.VerificationURIComplete == "" || device.UserCode == "" {
		t.Fatalf("%+v, %v", device, err)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, err := browser.Get(device.VerificationURIComplete)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	action := actionPattern.FindSubmatch(body)
	if err != nil || action == nil {
		t.Fatalf("%s, %v\n%s", page.Status, err, body)
	}
	to, err := page.Request.URL.Parse(string(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"decision": {"allow"}}
	for _, field := range fieldPattern.FindAllSubmatch(body, -1) {
		form.Add(string(field[1]), string(field[2]))
	}
	done, err := browser.PostForm(to.String(), form)
	if err != nil || done.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", done.Status, err)
	}
	done.Body.Close()

	token, err := config.DeviceAccessToken(t.Context(), device)
	if err != nil || token.RefreshToken == "" {
		t.Fatal(err)
	}
	verified, err := h.as.VerifyAccessToken(t.Context(), token.AccessToken)
	if err != nil || verified.Subject != "ana" || verified.ClientID != "tv" {
		t.Errorf("%+v, %v", verified, err)
	}
}
