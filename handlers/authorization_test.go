package handlers_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// RFC 6749 §4.1.2.1: without a client and a redirect URI that belong together there is
// nowhere to go but to an error page.
func TestRFC6749_Section4_1_2_1(t *testing.T) {
	h := newHost(t, handlers.Options{})
	good := authztest.AuthorizationParameters("read")
	with := func(name string, values ...string) url.Values {
		v := url.Values{}
		for k := range good {
			v[k] = good[k]
		}
		if v[name] = values; len(values) == 0 {
			delete(v, name)
		}
		return v
	}
	const hostile = `"><script>alert(1)</script>`
	for name, params := range map[string]url.Values{
		"client_id_missing":         with("client_id"),
		"client_id_unknown":         with("client_id", hostile),
		"client_id_repeated":        with("client_id", authztest.ClientID, authztest.ClientID),
		"client_id_nul":             with("client_id", authztest.ClientID+"\x00"),
		"redirect_uri_unregistered": with("redirect_uri", "https://evil.example/"+hostile),
		"redirect_uri_script":       with("redirect_uri", "javascript:alert(1)"),
		"redirect_uri_repeated":     with("redirect_uri", authztest.RedirectURI, "https://evil.example/"),
		"redirect_uri_line_break":   with("redirect_uri", authztest.RedirectURI+"\r\nSet-Cookie: a=b"),
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			params.Set("error_description", hostile)
			for _, a := range []*answer{h.ask(params), h.do("POST", "/oauth2/authorize", params)} {
				a.isErrorPage(t, http.StatusBadRequest)
				if strings.Contains(a.body, "alert(1)") || strings.Contains(a.body, "evil") {
					t.Error("the page repeats the request")
				}
			}
		})
	}
	t.Run("encoding", func(t *testing.T) {
		h.t = t
		for query, status := range map[string]int{
			good.Encode() + "&x=%zz": 400, good.Encode() + ";x=y": 400, good.Encode() + manyParameters(198): 400,
			good.Encode() + "&x=" + strings.Repeat("x", 64<<10): 400,
		} {
			h.do("GET", "/oauth2/authorize?"+query, nil).isErrorPage(t, status)
		}
		h.do("POST", "/oauth2/authorize?x=y", good).isErrorPage(t, 400)
		h.do("POST", "/oauth2/authorize", good, "Content-Type", "multipart/form-data; boundary=x").isErrorPage(t, 400)
		h.do("POST", "/oauth2/authorize", good.Encode()+"&x="+strings.Repeat("x", 64<<10)).isErrorPage(t, 413)
	})
	t.Run("back_to_the_client", func(t *testing.T) {
		h.t = t
		for name, c := range map[string]struct {
			params url.Values
			code   string
		}{
			"scope_line_break": {with("scope", "read\r\nx"), "invalid_request"},
			"scope_unknown":    {with("scope", "root"), "invalid_scope"},
			"not_utf8":         {with("nonce", "\xff"), "invalid_request"},
			"no_pkce":          {with("code_challenge"), "invalid_request"},
			"none":             {with("prompt", "none"), "consent_required"},
		} {
			for _, a := range []*answer{h.ask(c.params), h.do("POST", "/oauth2/authorize", c.params)} {
				got := a.location(t)
				if got.Get("error") != c.code || got.Get("iss") != h.url || got.Get("state") != "s" || !strings.HasPrefix(a.Header.Get("Location"), authztest.RedirectURI+"?") {
					t.Errorf("%s: %s", name, a.Header.Get("Location"))
				}
			}
		}
	})
}

// RFC 6749 §4.1.1: state comes back byte for byte.
func TestState(t *testing.T) {
	h := newHost(t, handlers.Options{})
	for _, state := range []string{"x", "&#<>\"'\x00%00;+ é", strings.Repeat("s", 4000)} {
		params := authztest.AuthorizationParameters("read")
		params.Set("state", state)
		params.Set("prompt", "consent")
		page := h.ask(params)
		if a := h.do("POST", "/oauth2/consent", page.form(t)); a.location(t).Get("state") != state || a.location(t).Get("code") == "" {
			t.Errorf("%.40q became %.40q", state, a.location(t).Get("state"))
		}
	}
}

// The whole flow: RFC 6749 §4.1 with RFC 7636 and RFC 9207.
func TestCodeFlow(t *testing.T) {
	h := newHost(t, handlers.Options{})
	h.SignIn("")
	params := authztest.AuthorizationParameters("read", "write")
	login := h.ask(params)
	back := login.location(t).Get("return_to")
	if !strings.HasPrefix(login.Header.Get("Location"), "/login?") || !strings.HasPrefix(back, "/oauth2/authorize?") {
		t.Fatal(login.Header.Get("Location"))
	}
	h.SignIn("ana")
	form := h.do("GET", back, nil).form(t)
	if !slices.Equal(form["scope"], []string{"read", "write"}) {
		t.Errorf("scopes on the page: %q", form["scope"])
	}
	form["scope"] = []string{"write", "offline_access"} // one unticked, one smuggled in
	answer := h.do("POST", "/oauth2/consent", form).location(t)
	if answer.Get("code") == "" || answer.Get("iss") != h.url {
		t.Fatal(answer)
	}
	token := h.do("POST", "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI},
		"code": {answer.Get("code")}, "code_verifier": {authztest.Verifier},
	})
	if token.StatusCode != 200 || !strings.Contains(token.body, `"scope":"write"`) {
		t.Error(token.Status, token.body)
	}
	if strings.Contains(h.log.String(), answer.Get("code")) || strings.Contains(h.log.String(), form.Get("interaction")) {
		t.Errorf("the log holds a credential:\n%s", h.log)
	}
}

// RFC 6819 §4.4.1.8, RFC 9700 §4.7: who may answer the consent page, and how often.
func TestConsent(t *testing.T) {
	params := authztest.AuthorizationParameters("read")
	sameOrigin := []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"} // as browsers do
	t.Run("deny", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(params).form(t)
		form.Set("decision", "deny")
		if got := h.do("POST", "/oauth2/consent", form, sameOrigin...).location(t); got.Get("error") != "access_denied" || got.Get("state") != "s" || got.Get("iss") != h.url {
			t.Error(got)
		}
		form.Set("decision", "allow")
		h.do("POST", "/oauth2/consent", form, sameOrigin...).isErrorPage(t, http.StatusForbidden)
	})
	t.Run("twice", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(params).form(t)
		first := h.do("POST", "/oauth2/consent", form).location(t)
		if first.Get("code") == "" {
			t.Error(first)
		}
		// A double click: the browser shows where the second answer leads.
		if again := h.do("POST", "/oauth2/consent", form).location(t); again.Get("code") != first.Get("code") {
			t.Errorf("a double click leads to %v, not to %v", again, first)
		}
		h.Clock.Advance(31 * time.Second)
		h.do("POST", "/oauth2/consent", form).isErrorPage(t, http.StatusForbidden)
	})
	t.Run("two_answers", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(authztest.AuthorizationParameters("read", "write")).form(t)
		h.do("POST", "/oauth2/consent", form).location(t)
		fewer := maps.Clone(form)
		fewer["scope"] = []string{"read"}
		h.do("POST", "/oauth2/consent", fewer).isErrorPage(t, http.StatusForbidden)
		form.Set("decision", "deny")
		h.do("POST", "/oauth2/consent", form).isErrorPage(t, http.StatusForbidden)
	})
	t.Run("other_browser", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(params).form(t)
		h.browser.Jar = nil
		h.do("POST", "/oauth2/consent", form).isErrorPage(t, http.StatusForbidden)
		h.do("POST", "/oauth2/consent", form, "Cookie", "__Host-grantor-browser=chosen").isErrorPage(t, http.StatusForbidden)
		h.do("POST", "/oauth2/consent", form, "Cookie", "__Host-grantor-browser="+strings.Repeat("A", 43)).isErrorPage(t, http.StatusForbidden)
	})
	t.Run("other_site", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(params).form(t)
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site", "Origin", h.url},
			{"Origin", "https://evil.example"}, {"Origin", strings.Replace(h.url, "https", "http", 1)}, {"Origin", h.url + ".evil.example"},
		} {
			h.do("POST", "/oauth2/consent", form, headers...).isErrorPage(t, http.StatusForbidden)
		}
		h.do("POST", "/oauth2/consent", form, "Origin", h.url).location(t)
	})
	t.Run("incomplete", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(params).form(t)
		for name, values := range map[string][]string{
			"interaction": {}, "decision": {}, "decision ": nil,
		} {
			broken := url.Values{}
			for k := range form {
				broken[k] = form[k]
			}
			if values == nil {
				broken["decision"] = []string{"allow", "deny"}
			} else {
				delete(broken, name)
			}
			h.do("POST", "/oauth2/consent", broken).isErrorPage(t, http.StatusBadRequest)
		}
		broken := url.Values{"decision": {"allow"}, "interaction": {"x" + form.Get("interaction")}}
		h.do("POST", "/oauth2/consent", broken).isErrorPage(t, http.StatusForbidden)
	})
	t.Run("other_account", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		form := h.ask(params).form(t)
		h.SignIn("mallory")
		if a := h.do("POST", "/oauth2/consent", form); !strings.HasPrefix(a.Header.Get("Location"), "/oauth2/authorize?") {
			t.Error(a.Status, a.Header.Get("Location"))
		}
	})
	t.Run("two_tabs", func(t *testing.T) {
		h := newHost(t, handlers.Options{})
		first := h.ask(params)
		second := h.ask(authztest.AuthorizationParameters("write"))
		if second.Header.Get("Set-Cookie") != "" {
			t.Error("the second page replaced the first one's cookie")
		}
		for _, page := range []*answer{first, second} {
			if got := h.do("POST", "/oauth2/consent", page.form(t)).location(t); got.Get("code") == "" {
				t.Error(got)
			}
		}
	})
}

// RFC 6265bis §4.1.3.2: the __Host- prefix needs https.
func TestBrowserCookie(t *testing.T) {
	h := newHost(t, handlers.Options{})
	if a := h.ask(url.Values{}); a.Header.Get("Set-Cookie") != "" {
		t.Error("a cookie without a consent page")
	}
	cookies := h.ask(authztest.AuthorizationParameters("read")).Cookies()
	if len(cookies) != 1 {
		t.Fatal(cookies)
	}
	if c := cookies[0]; c.Name != "__Host-grantor-browser" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
		t.Error(c)
	}
	h.browser.Jar = nil
	for _, planted := range []string{"", "chosen", strings.Repeat("A", 42), strings.Repeat("A", 42) + "B", strings.Repeat("A", 44)} {
		a := h.do("GET", "/oauth2/authorize?"+authztest.AuthorizationParameters("read").Encode(), nil, "Cookie", "__Host-grantor-browser="+planted)
		if len(a.Cookies()) != 1 {
			t.Errorf("%q was taken for a value of ours", planted)
		}
	}
	h = newHost(t, handlers.Options{}, func(c *authz.Config) { c.Issuer = "http://127.0.0.1:1" })
	if c := h.ask(authztest.AuthorizationParameters("read")).Cookies()[0]; c.Name != "grantor-browser" || c.Secure || !c.HttpOnly {
		t.Error(c)
	}
}
