package authz_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// §2, §3: which pages are opened, with what parameters, and where the browser goes afterwards.
func TestFrontChannelLogout_3(t *testing.T) {
	h := newHouse(t, withPairwise)
	h.change(t, web, func(c *authz.Client) { c.FrontchannelLogoutURI = "https://web.example/out?x=1" })
	h.change(t, spa, func(c *authz.Client) {
		c.FrontchannelLogoutURI, c.SubjectType = "https://spa.example/out", "pairwise"
	})
	// What no registration has checked is not opened.
	h.change(t, first, func(c *authz.Client) { c.FrontchannelLogoutURI = "https://evil.example/out" })
	hint := h.login(t, web)
	sids := map[string]any{
		"https://web.example": h.idToken(t, hint.IDToken, "RS256")["sid"],
		"https://spa.example": h.idToken(t, h.login(t, spa).IDToken, "RS256")["sid"],
	}
	h.login(t, first)
	want := func(response *authz.LogoutResponse) {
		t.Helper()
		if len(response.Frames) != 2 {
			t.Fatalf("%+v", response)
		}
		for _, f := range response.Frames {
			u := must(url.Parse(f.URL))(t)
			q := u.Query()
			if f.Origin != u.Scheme+"://"+u.Host || q.Get("iss") != issuer || q.Get("sid") != sids[f.Origin] || sids[f.Origin] == nil {
				t.Errorf("%+v", f)
			}
			if u.Host == "web.example" && q.Get("x") != "1" {
				t.Errorf("%+v", f)
			}
		}
	}
	response := must(h.leave(set("id_token_hint", hint.IDToken), set("post_logout_redirect_uri", goodbye), set("state", "s")))(t)
	want(response)
	if response.Redirect != goodbye+"?state=s" || response.Done {
		t.Errorf("%+v", response)
	}
	// After the page that asks, too.
	h.in("s1")
	h.login(t, web)
	h.login(t, spa)
	prompt := must(h.leave())(t).Confirm
	if prompt == nil {
		t.Fatal("nobody is asked")
	}
	response = must(h.submit(&authz.ConsentSubmission{Interaction: prompt.Interaction, HTTP: httptest.NewRequest("POST", "/", nil), Browser: browser, Approve: true}))(t)
	want(response)
	if !response.Done {
		t.Errorf("%+v", response)
	}
	// Who was signed in to none has none.
	h.in("s3")
	if response := must(h.leave(set("id_token_hint", h.login(t, first).IDToken)))(t); len(response.Frames) != 0 || !response.Done {
		t.Errorf("%+v", response)
	}
}

// §2: what is registered.
func TestFrontChannelLogout_2(t *testing.T) {
	h := newHouse(t, open())
	for uri, good := range map[string]bool{
		"https://app.example/out": true, "https://app.example/out?a=b": true, "https://APP.example/out": true,
		"http://app.example/out": false, "https://app.example:444/out": false, "https://other.example/out": false,
		"https://app.example/out#x": false, "https://u@app.example/out": false, "/out": false, "javascript:alert(1)": false,
		"https://app.example;script-src/out": false, "https://app.example'/out": false,
	} {
		c := testClients()[0]
		c.RedirectURIs, c.FrontchannelLogoutURI = []string{"https://app.example/cb", "https://app.example;script-src/cb"}, uri
		err := h.RegisterClient(t.Context(), c)
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "FrontchannelLogoutURI") {
			t.Errorf("%s: %v", uri, err)
		}
		info, err := h.introduce("frontchannel_logout_uri", `"`+uri+`"`, "frontchannel_logout_session_required", "true")
		if !good {
			registrationRefused(t, err, "400 invalid_client_metadata frontchannel_logout_uri_invalid")
		} else if err != nil || info.FrontchannelLogoutURI != uri || !info.FrontchannelLogoutSessionRequired {
			t.Errorf("%s: %v", uri, err)
		}
	}
	// Where it is not supported, the host hears of it, and a stranger's is passed over.
	none := newOpenID(t, open())
	c := testClients()[0]
	c.FrontchannelLogoutURI = "https://web.example/out"
	if err := none.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "needs Config.Logout and Config.Sessions") {
		t.Errorf("%v", err)
	}
	if info := must(none.introduce("frontchannel_logout_uri", `"https://app.example/out"`))(t); info.FrontchannelLogoutURI != "" {
		t.Errorf("%+v", info)
	}
}

// Whatever a URL is, what a policy calls its origin is one source and nothing more (CSP 3 §2.3.1).
func FuzzFrameOrigin(f *testing.F) {
	for _, raw := range []string{"https://app.example/out", "http://127.0.0.1:8080/", "https://[::1]:1/", "https://a;script-src 'unsafe-inline'/", "https://a'*/", "//a", "https://A.example", "https://a,b/"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		origin := authz.FrameOrigin(raw)
		if origin == "" {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ContainsAny(origin, " ;,'\"*\t\n") {
			t.Errorf("%q: %q, %v", raw, origin, err)
		}
		given, err := url.Parse(raw)
		if err != nil || given.Scheme != u.Scheme || !strings.EqualFold(given.Host, u.Host) {
			t.Errorf("%q is not at %q", raw, origin)
		}
	})
}
