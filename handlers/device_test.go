package handlers_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

func withDevices(c *authz.Config) {
	c.DeviceGrant = true
	c.Clients = append(c.Clients, authz.Client{
		ID: "tv", Name: "Living <room> TV", ApplicationType: "native", Scopes: []string{"read", "write"}, GrantTypes: []string{deviceGrant},
	})
}

// device begins the grant.
func (h *host) device() *authz.DeviceAuthorization {
	h.t.Helper()
	a := h.do(http.MethodPost, "/oauth2/device_authorization", url.Values{"client_id": {"tv"}})
	d := new(authz.DeviceAuthorization)
	if err := json.Unmarshal([]byte(a.body), d); err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
		h.t.Fatalf("%s %s", a.Status, a.body)
	}
	return d
}

func (h *host) poll(d *authz.DeviceAuthorization) *answer {
	h.t.Helper()
	return h.do(http.MethodPost, "/oauth2/token", url.Values{"client_id": {"tv"}, "grant_type": {deviceGrant}, "device_code": {d.DeviceCode}})
}

// RFC 8628 §3: over HTTP, by typing the code.
func TestRFC8628_Section3(t *testing.T) {
	h := newHost(t, handlers.Options{}, withDevices)
	d := h.device()
	h.poll(d).isError(t, http.StatusBadRequest, "authorization_pending")
	h.poll(d).isError(t, http.StatusBadRequest, "slow_down")

	page := h.do(http.MethodGet, "/oauth2/device", nil)
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `name="user_code"`) || !strings.Contains(page.body, "ana") {
		t.Fatalf("%s %s", page.Status, page.body)
	}
	wrong := h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {"bcdf ghjk"}})
	if wrong.StatusCode != http.StatusOK || !strings.Contains(wrong.body, "This code is not valid") {
		t.Errorf("%s %s", wrong.Status, wrong.body)
	}
	page = h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {strings.ToLower(d.UserCode)}})
	for _, want := range []string{d.UserCode, "Living &lt;room&gt; TV", "127.0.0.1", "in front of you", "Read things"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q\n%s", want, page.body)
		}
	}
	for _, header := range []string{"Content-Security-Policy", "X-Frame-Options", "Referrer-Policy"} {
		if page.Header.Get(header) == "" {
			t.Errorf("no %s", header)
		}
	}
	done := h.do(http.MethodPost, "/oauth2/device", page.form(t))
	if done.StatusCode != http.StatusOK || !strings.Contains(done.body, "is connected") {
		t.Errorf("%s %s", done.Status, done.body)
	}
	if a := h.poll(d); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"access_token"`) {
		t.Errorf("%s %s", a.Status, a.body)
	}
	h.poll(d).isError(t, http.StatusBadRequest, "invalid_grant")
	h.do(http.MethodPost, "/oauth2/device", page.form(t)).isErrorPage(t, http.StatusForbidden)
}

// RFC 8628 §3.3.1, §5.4: the complete URI decides nothing.
func TestRFC8628_Section3_3_1(t *testing.T) {
	h := newHost(t, handlers.Options{}, withDevices)
	d := h.device()
	page := h.do(http.MethodGet, strings.TrimPrefix(d.VerificationURIComplete, h.url), nil)
	if !strings.Contains(page.body, d.UserCode) {
		t.Errorf("the code is not shown\n%s", page.body)
	}
	h.poll(d).isError(t, http.StatusBadRequest, "authorization_pending")

	form := page.form(t)
	h.do(http.MethodPost, "/oauth2/device", form, "Sec-Fetch-Site", "cross-site").isErrorPage(t, http.StatusForbidden)
	h.do(http.MethodPost, "/oauth2/device", form, "Origin", "https://evil.example").isErrorPage(t, http.StatusForbidden)
	h.do(http.MethodPost, "/oauth2/device", url.Values{"interaction": {"x"}, "decision": {"maybe"}}).isErrorPage(t, http.StatusBadRequest)
	h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {"a", "b"}}).isErrorPage(t, http.StatusBadRequest)
	form.Set("decision", "deny")
	if a := h.do(http.MethodPost, "/oauth2/device", form); !strings.Contains(a.body, "was not connected") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	h.SignIn("")
	if a := h.do(http.MethodGet, "/oauth2/device?user_code="+d.UserCode, nil); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/login?return_to=") {
		t.Errorf("%s %s", a.Status, a.Header.Get("Location"))
	}
}

// RFC 6585 §4, RFC 8628 §5.1.
func TestRFC8628_Section5_1(t *testing.T) {
	h := newHost(t, handlers.Options{}, withDevices)
	for range 10 {
		h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {"BCDF-GHJK"}})
	}
	a := h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {h.device().UserCode}})
	a.isErrorPage(t, http.StatusTooManyRequests)
	if a.Header.Get("Retry-After") != "60" || !strings.Contains(a.body, "Too many attempts") {
		t.Errorf("Retry-After %q\n%s", a.Header.Get("Retry-After"), a.body)
	}
	for range 29 {
		h.device()
	}
	a = h.do(http.MethodPost, "/oauth2/device_authorization", url.Values{"client_id": {"tv"}})
	a.isError(t, http.StatusTooManyRequests, "temporarily_unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// Off, there is nothing at its paths. A host may write the pages itself.
func TestDevice_options(t *testing.T) {
	h := newHost(t, handlers.Options{})
	for _, path := range []string{"/oauth2/device", "/oauth2/device_authorization"} {
		if a := h.do(http.MethodPost, path, url.Values{}); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	var steps []string
	h = newHost(t, handlers.Options{DevicePage: func(w http.ResponseWriter, r *http.Request, page *handlers.DevicePage) {
		switch {
		case page.Confirm != nil:
			steps = append(steps, "confirm "+page.ClientName+" "+page.Account)
			io.WriteString(w, `<input name="interaction" value="`+page.Confirm.Interaction+`"><input name="scope" value="read">`)
		case page.Decided != nil:
			steps = append(steps, "decided")
		default:
			steps = append(steps, "ask "+page.Action)
		}
	}}, withDevices)
	h.do(http.MethodGet, "/oauth2/device", nil)
	h.do(http.MethodPost, "/oauth2/device", h.do(http.MethodGet, "/oauth2/device?user_code="+h.device().UserCode, nil).form(t))
	if got := strings.Join(steps, ", "); got != "ask /oauth2/device, confirm Living <room> TV ana, decided" {
		t.Error(got)
	}
}

// The images are well formed, and hold what the library encoded.
func TestWriteQRCode(t *testing.T) {
	var svg, text bytes.Buffer
	uri := "https://app.example.com/oauth2/device?user_code=WDJB-MJHT"
	if err := handlers.WriteQRCode(&svg, uri); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(svg.Bytes(), new(struct{})); err != nil || bytes.Contains(svg.Bytes(), []byte("<script")) || bytes.Contains(svg.Bytes(), []byte("style=")) {
		t.Errorf("%v\n%s", err, svg.Bytes())
	}
	if err := handlers.WriteQRCodeText(&text, uri); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	width := len([]rune(regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(lines[0], "")))
	if len(lines) != (width+1)/2 {
		t.Errorf("%d lines of %d", len(lines), width)
	}
	if err := handlers.WriteQRCode(io.Discard, strings.Repeat("x", 5000)); err == nil {
		t.Error("5000 bytes fitted")
	}
}

// U7, U8: a device's program that registered itself has chosen its name itself, and the page
// says so.
func TestDevice_self_described(t *testing.T) {
	h := newHost(t, handlers.Options{}, withDevices, func(c *authz.Config) {
		c.Registration = &authz.Registration{Open: true, Scopes: []string{"read"}, GrantTypes: []string{deviceGrant}}
	})
	_, got := h.sendJSON("POST", "/oauth2/register", `{"client_name":"Your bank","client_uri":"https://bank.example","token_endpoint_auth_method":"none","grant_types":["`+deviceGrant+`"]}`)
	id, _ := got["client_id"].(string)
	d := new(authz.DeviceAuthorization)
	if err := json.Unmarshal([]byte(h.do(http.MethodPost, "/oauth2/device_authorization", url.Values{"client_id": {id}}).body), d); err != nil {
		t.Fatal(err)
	}
	page := h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {d.UserCode}})
	for _, want := range []string{"App website, as it says: bank.example", "The app has chosen its name itself."} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q\n%s", want, page.body)
		}
	}
	page = h.do(http.MethodPost, "/oauth2/device", url.Values{"user_code": {h.device().UserCode}})
	if strings.Contains(page.body, "chosen its name") {
		t.Error("of a client that the host registered")
	}
}
