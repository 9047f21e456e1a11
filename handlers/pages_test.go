package handlers_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// consentOf shows the consent page of a client of this name.
func consentOf(t *testing.T, options handlers.Options, client authz.Client) (*host, *answer) {
	t.Helper()
	client.ID = "c"
	if client.RedirectURIs == nil {
		client.RedirectURIs = []string{"https://client.example/cb"}
	}
	client.Scopes = []string{"read", "undescribed"}
	h := newHost(t, options, func(c *authz.Config) {
		c.Clients = append(c.Clients, client)
		c.Scopes["undescribed"] = ""
	})
	params := authztest.AuthorizationParameters("read", "undescribed")
	params.Set("client_id", "c")
	params.Set("redirect_uri", client.RedirectURIs[0])
	page := h.ask(params)
	page.form(t)
	return h, page
}

// What a person has to see: RFC 6819 §5.2.4.2.
func TestConsentPageShows(t *testing.T) {
	_, page := consentOf(t, handlers.Options{Theme: handlers.Theme{Name: "Acme", SupportURL: "/help"}}, authz.Client{
		Name: "Weather Bot", URI: "https://bot.example/home", PolicyURI: "https://bot.example/privacy", TOSURI: "http://bot.example/terms", LogoURI: "https://bot.example/logo.png",
	})
	for _, want := range []string{
		`<html lang="en">`, "<bdi>Weather Bot</bdi> wants to access your <bdi>Acme</bdi> account", "App website: bot.example", "<bdi>ana</bdi>",
		"Read things", "<code>undescribed</code>", "<bdi>client.example</bdi>", `href="https://bot.example/privacy"`, `href="http://bot.example/terms"`, `href="/help"`,
		`method="post" action="/oauth2/consent"`, `name="decision" value="deny"`, `name="decision" value="allow"`,
	} {
		if !strings.Contains(page.body, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, not := range []string{"logo.png", "<script", "javascript", " style=", "@import", "url(", "on your device"} {
		if strings.Contains(page.body, not) {
			t.Errorf("%s is in the page", not)
		}
	}
}

// RFC 8707: where it will be able to, unless that goes without saying.
func TestConsentPageNamesResources(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) {
		c.Resources = []authz.Resource{{Identifier: "https://mail.example", Name: "Ma<i>l"}, {Identifier: "https://files.example/api"}}
	})
	for want, resources := range map[string][]string{
		"<legend>It will be able to</legend>":                                                                  nil,
		"<legend>At <bdi>Ma&lt;i&gt;l</bdi> it will be able to</legend>":                                       {"https://mail.example"},
		"<legend>At <bdi>Ma&lt;i&gt;l</bdi>, <bdi>https://files.example/api</bdi> it will be able to</legend>": {"https://mail.example", "https://files.example/api"},
	} {
		params := authztest.AuthorizationParameters("read")
		params["resource"] = resources
		if page := h.ask(params); !strings.Contains(page.body, want) {
			t.Errorf("%q: the page lacks %s", resources, want)
		}
	}
}

// OAuth 2.0 Form Post Response Mode §2: the page holds what goes to the client, runs the one
// script that its policy names, and can do without.
func TestFormPostPage(t *testing.T) {
	h := newHost(t, handlers.Options{})
	params := authztest.AuthorizationParameters("nope")
	params.Set("response_mode", "form_post")
	params.Set("state", `"><script>alert(1)</script>`)
	page := h.ask(params)
	for _, want := range []string{
		`<form method="post" action="https://client.example/callback"`, `name="error" value="invalid_scope"`,
		`name="iss" value="` + h.url + `"`, `name="state" value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"`, ">Continue</button>",
	} {
		if !strings.Contains(page.body, want) {
			t.Errorf("%s is missing in\n%s", want, page.body)
		}
	}
	scripts := regexp.MustCompile("<script>(.*?)</script>").FindAllStringSubmatch(page.body, -1)
	if len(scripts) != 1 {
		t.Fatalf("%d scripts", len(scripts))
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	if csp := page.Header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("%s", csp)
	}
	if page.StatusCode != 200 || page.Header.Get("Cache-Control") != "no-store" || page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v", page.StatusCode, page.Header)
	}
}

// RFC 8252 §8.6: whose program it is, nobody can tell.
func TestNativeClientsAreWarnedOf(t *testing.T) {
	for redirect, want := range map[string]string{
		"http://127.0.0.1:5555/cb": "the app on your device at <bdi>127.0.0.1:5555</bdi>",
		"http://[::1]:5555/cb":     "the app on your device at <bdi>[::1]:5555</bdi>",
		"com.example.app:/cb":      "opens <bdi>com.example.app</bdi> links",
	} {
		_, page := consentOf(t, handlers.Options{}, authz.Client{Name: "CLI", ApplicationType: "native", RedirectURIs: []string{redirect}})
		if !strings.Contains(page.body, want) || !strings.Contains(page.body, "any program there can use its name") {
			t.Errorf("%s: no warning, or not %s", redirect, want)
		}
	}
}

// RFC 7591 §5: what clients say about themselves is not to be believed.
func TestHostileClientNames(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, shown := range map[string]string{
		`<script>alert(1)</script>`:             "&lt;script&gt;alert(1)&lt;/script&gt;",
		"\u202eknaB eurT\u202c":                 "knaB eurT",
		"\u2067a\u2069\u200f\u061cb":            "ab",
		"Acme\u200b\u2060\ufeff\u00ad":          "Acme",
		"a\r\n\tb\u2028c\u00a0d":                "a b c d",
		"\x00\x1b[31mred":                       "[31mred",
		"bad\xff\xfebytes":                      "bad\ufffdbytes",
		"\u3164\u2800 ":                         "c", // nothing to see: its ID
		"":                                      "c",
		long:                                    long[:80] + "…",
		"e\u0301\u0301\u0301\u0301\u0301\u0301": "e\u0301\u0301\u0301",
		"می\u200cخواهم":                         "می\u200cخواهم",
		"{{.Interaction}}":                      "{{.Interaction}}",
	} {
		_, page := consentOf(t, handlers.Options{}, authz.Client{Name: name})
		if want := "<h1><bdi>" + shown + "</bdi>"; !strings.Contains(page.body, want) {
			t.Errorf("%.40q: the page has %.120s, want %.60s", name, page.body[strings.Index(page.body, "<h1>"):], want)
		}
		if strings.ContainsAny(page.body, "\u202e\u2067\x00\x1b") || strings.Contains(page.body, "<script") {
			t.Errorf("%.40q gets through", name)
		}
	}
}

// A host's own client storage may hold what registration would refuse.
func TestHostileClientLinks(t *testing.T) {
	var page *handlers.ConsentPage
	keep := func(w http.ResponseWriter, _ *http.Request, p *handlers.ConsentPage) {
		page = p
		fmt.Fprintf(w, `name="interaction" value="x"`)
	}
	h, _ := consentOf(t, handlers.Options{ConsentPage: keep}, authz.Client{Name: "x"})
	for _, link := range []string{"javascript:alert(1)", "data:text/html,x", "//evil.example", "https:evil", "https://user@evil.example/", "file:///etc/passwd", " https://x.example"} {
		c := authz.Client{ID: "stored", RedirectURIs: []string{"https://client.example/cb"}, Scopes: []string{"read"}, URI: link, PolicyURI: link, TOSURI: link}
		if err := h.Store.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		params := authztest.AuthorizationParameters("read")
		params.Set("client_id", "stored")
		params.Set("redirect_uri", "https://client.example/cb")
		h.ask(params).form(t)
		if page.PolicyURL != "" || page.TermsURL != "" || page.ClientHost != "" || page.ClientName != "stored" || page.Action != "/oauth2/consent" {
			t.Errorf("%s: %q %q %q", link, page.PolicyURL, page.TermsURL, page.ClientHost)
		}
	}
}

// CSP 3 §8.5: the style sheet, and nothing else, is what the policy names.
func TestContentSecurityPolicy(t *testing.T) {
	for _, theme := range []handlers.Theme{{}, {
		Name: `</title><script>`, Accent: "#abc", Logo: "https://cdn.example/logo.svg", LogoDark: "/dark.svg", CSS: "h1::after{content:'\\'<&>'}",
	}} {
		h, page := consentOf(t, handlers.Options{Theme: theme}, authz.Client{Name: "x"})
		for _, page := range []*answer{page, h.ask(nil)} {
			styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(page.body, -1)
			if len(styles) != 1 {
				t.Fatalf("%d style sheets", len(styles))
			}
			sum := sha256.Sum256([]byte(styles[0][1]))
			csp := page.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
				t.Errorf("the policy %q is for another style sheet", csp)
			}
			if strings.Contains(csp, "img-src") != (theme.Logo != "") || (theme.Logo != "" && !strings.Contains(csp, "img-src https://cdn.example 'self';")) {
				t.Error(csp)
			}
			if strings.Contains(csp, "form-action") {
				t.Error("form-action would keep Chromium from going back to the client")
			}
			if !strings.Contains(csp, "base-uri 'none'") || strings.Contains(page.body, "<script") {
				t.Error(csp)
			}
			for _, logo := range []string{theme.Logo, theme.LogoDark} {
				if !strings.Contains(page.body, html.EscapeString(logo)) {
					t.Errorf("%s is not shown", logo)
				}
			}
		}
	}
}

// A theme that cannot work says so at once, and says all of it.
func TestThemeFaults(t *testing.T) {
	as := authztest.New(t)
	for _, theme := range []handlers.Theme{
		{Accent: "red"}, {Accent: "#12345"}, {Accent: "#12345g"}, {Accent: "#fff;}body{display:none"}, {Accent: "var(--x)"},
		{Logo: "javascript:alert(1)"}, {Logo: "http://cdn.example/x.png"}, {Logo: "//cdn.example/x.png"}, {Logo: "https://a b/x.png"}, {Logo: "https://x;y/z"}, {Logo: "logo.png"}, {Logo: "data:text/html,x"},
		{LogoDark: "/dark.svg"}, {SupportURL: "javascript:alert(1)"}, {SupportURL: "//x.example"}, {SupportURL: "ftp://x.example"}, {CSS: "</style><script>"},
	} {
		t.Run(fmt.Sprintf("%+v", theme), func(t *testing.T) {
			defer func() {
				if message, _ := recover().(string); !strings.HasPrefix(message, "handlers: Theme.") {
					t.Errorf("got %q", message)
				}
			}()
			handlers.New(as.Server, handlers.Options{Theme: theme})
		})
	}
	defer func() {
		if message, _ := recover().(string); strings.Count(message, "Theme.") != 2 {
			t.Errorf("got %q", message)
		}
	}()
	handlers.New(as.Server, handlers.Options{Theme: handlers.Theme{Accent: "red", Logo: "x"}})
}

// WCAG 2.2 §1.4.3 and §1.4.11, whatever colour the host likes.
func TestAccentContrast(t *testing.T) {
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for b := 0; b < 256; b += 51 {
				handlers.CheckContrast(t, fmt.Sprintf("#%02x%02x%02x", r, g, b))
			}
		}
	}
}

// Pages of the host's own: RFC 6749 §4.1.2.1 still decides the status.
func TestOwnPages(t *testing.T) {
	h := newHost(t, handlers.Options{
		ErrorPage: func(w http.ResponseWriter, _ *http.Request, p *handlers.ErrorPage) {
			w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
			fmt.Fprintf(w, "%d %s", p.Status, p.Code)
		},
		ConsentPage: func(w http.ResponseWriter, _ *http.Request, p *handlers.ConsentPage) {
			fmt.Fprintf(w, `%s %s <input name="interaction" value="%s">`, p.ClientName, p.Account, p.Interaction)
			for _, scope := range p.Scopes {
				fmt.Fprintf(w, `<input name="scope" value="%s">`, scope.Name)
			}
		},
	})
	a := h.ask(nil)
	if a.StatusCode != 400 || a.body != "400 invalid_request" || a.Header.Get("Content-Security-Policy") != "default-src 'self'; frame-ancestors 'none'" {
		t.Error(a.Status, a.body)
	}
	page := h.ask(authztest.AuthorizationParameters("read"))
	if !strings.HasPrefix(page.body, "Test client ana ") {
		t.Error(page.body)
	}
	if got := h.do("POST", "/oauth2/consent", page.form(t)).location(t); got.Get("code") == "" {
		t.Error(got)
	}
}
