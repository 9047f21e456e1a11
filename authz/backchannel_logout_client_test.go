package authz_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// §2.2: what is registered, by the host and by a client itself.
func TestBackChannelLogout_2_2(t *testing.T) {
	h := newHouse(t, open())
	for _, uri := range []string{"http://web.example/out", "javascript:alert(1)", "https://web.example/out#x", "https://u@web.example/", "/out", "com.example.app:/out"} {
		c := testClients()[0]
		c.BackchannelLogoutURI = uri
		if err := h.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "BackchannelLogoutURI") {
			t.Errorf("%s: %v", uri, err)
		}
		_, err := h.introduce("backchannel_logout_uri", `"`+uri+`"`)
		registrationRefused(t, err, "400 invalid_client_metadata backchannel_logout_uri_invalid")
	}
	// This machine is the host's to allow, never a stranger's.
	c := testClients()[0]
	c.BackchannelLogoutURI = "http://127.0.0.1:1/out"
	must(0, h.RegisterClient(t.Context(), c))(t)
	if err := newOpenID(t).RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Config.HTTPClient") {
		t.Errorf("%v", err)
	}
	_, err := h.introduce("backchannel_logout_uri", `"http://127.0.0.1:1/out"`)
	registrationRefused(t, err, "400 invalid_client_metadata backchannel_logout_uri_invalid")
	info := must(h.introduce("backchannel_logout_uri", `"https://app.example/out?a=b"`, "backchannel_logout_session_required", "true"))(t)
	if info.BackchannelLogoutURI != "https://app.example/out?a=b" || !info.BackchannelLogoutSessionRequired {
		t.Errorf("%+v", info)
	}
	// Who insists on sid does not go without it unawares.
	none := newOpenID(t, open())
	_, err = none.introduce("backchannel_logout_session_required", "true")
	registrationRefused(t, err, "400 invalid_client_metadata backchannel_logout_session_required_invalid")
	c.BackchannelLogoutURI, c.BackchannelLogoutSessionRequired = "", true
	if err := none.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "needs Config.Sessions") {
		t.Errorf("%v", err)
	}
}

// A client that is named by its metadata document says there where it is to be told, and is told
// even if the document cannot be had when the session ends.
func TestBackChannelLogout_2_2_document(t *testing.T) {
	const out = "https://app.example/out"
	w := newWeb()
	h := newHouse(t, documents(w, func(m *authz.ClientIDMetadata) { m.Scopes = []string{"openid"} }))
	said := func(uri string) string {
		return describes(document, "scope", `"openid"`, "backchannel_logout_uri", quoted(uri), "backchannel_logout_session_required", "true")
	}
	for _, bad := range []string{"http://app.example/out", "http://127.0.0.1/out", "https://app.example/out#x"} {
		w.put(document, 200, said(bad), "Cache-Control", "no-store")
		if _, err := h.authorize(document, atApp(), set("scope", "openid")); err == nil {
			t.Errorf("%s is taken", bad)
		}
		h.clock.Advance(time.Hour)
	}
	w.put(document, 200, said(out))
	h.code(t, document, atApp(), set("scope", "openid"))
	h.clock.Advance(26 * time.Hour) // what was fetched is too old, even for want of better
	w.put(document, 503, "")
	must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(h.log.String(), "its metadata document could not be fetched"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nobody tried: %s", h.log.String())
		}
	}
	w.put(document, 200, said(out))
	w.put(out, 200, "")
	h.clock.Advance(5 * time.Minute)
	must(0, h.DeliverLogouts(t.Context()))(t)
	h.told(t, document)
	if n := w.times(out); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// What ends at once, whatever a client's own server does: one that hangs must not keep a user, or
// the host, from ending what a thief has signed in to. A client that turns out not to want to be
// told is not, and nothing is said of it.
func TestBackChannelLogout_2_2_document_hangs(t *testing.T) {
	for name, end := range map[string]func(context.Context, *house) error{
		"RevokeUser":    func(ctx context.Context, h *house) error { return h.RevokeUser(ctx, "ana") },
		"RevokeSession": func(ctx context.Context, h *house) error { return h.RevokeSession(ctx, "ana", "s1") },
	} {
		w := newWeb()
		var hangs atomic.Bool
		h := newHouse(t, documents(w, func(m *authz.ClientIDMetadata) { m.Scopes = []string{"openid"} }), func(c *authz.Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if hangs.Load() {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return w.RoundTrip(r)
			})}
		})
		w.put(document, 200, describes(document, "scope", `"openid"`), "Cache-Control", "no-store")
		tokens := h.login(t, web)
		h.code(t, document, atApp(), set("scope", "openid"))
		h.clock.Advance(time.Second)
		hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := end(ctx, h)
		cancel()
		if err != nil || h.live(tokens.AccessToken) {
			t.Errorf("%s: %v, and the access token is alive: %v", name, err, h.live(tokens.AccessToken))
		}
		hangs.Store(false)
		for end := time.Now().Add(15 * time.Second); h.due(t) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: the notice stays", name)
			}
			must(0, h.DeliverLogouts(t.Context()))(t)
			h.clock.Advance(time.Minute)
		}
		h.told(t)
	}
}
