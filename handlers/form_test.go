package handlers_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/grantor-oauth/grantor/handlers"
)

// FuzzParseForm: what is accepted reads the same for any other decoder.
func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"", "a=b&a=c", "a", "=", "&&&", "a=%", "a=%zz", "a=%00", "a;b=c", "a=b+c%2B", "\xef\xbb\xbfa=b", "a=\xc0\x80", "a=%C0%AF", "grant_type=authorization_code&code=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		got, err := handlers.ParseForm(encoded)
		if err != nil {
			return
		}
		if strings.Contains(encoded, ";") {
			t.Errorf("%q: a semicolon was let through", encoded)
		}
		if std, err := url.ParseQuery(encoded); err != nil || !reflect.DeepEqual(got, std) {
			t.Errorf("%q: net/url reads %v (%v), we read %v", encoded, std, err, got)
		}
		if again, err := handlers.ParseForm(got.Encode()); err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q: %v becomes %v (%v) when it is encoded again", encoded, got, again, err)
		}
		count := 0
		for _, values := range got {
			count += len(values)
		}
		if count > 200 {
			t.Errorf("%d parameters", count)
		}
	})
}

// FuzzPlainText: a name stays text of one line and bounded length.
func FuzzPlainText(f *testing.F) {
	for _, seed := range []string{"", "Weather Bot", "\u202eknaB", "a\u0301\u0301\u0301\u0301\u0301\u0301b", "\xff\xfe", "a\x00b", "  a  b ", strings.Repeat("x", 200), "\u3164", "می\u200cخواهم"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := handlers.PlainText(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 81*5 {
			t.Errorf("%q became %q", s, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool {
			return r < 0x20 || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0x2028 || r == 0x2029
		}) {
			t.Errorf("%q became %q, which still holds control characters", s, got)
		}
	})
}

// The form layer of the endpoints that programs call: RFC 6749 §3.2, §5.2, Appendix B.
func TestRFC6749_Section3_2(t *testing.T) {
	h := newHost(t, handlers.Options{})
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"confidential"}, "client_secret": {secret}}
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name    string
		body    any
		headers []string
		status  int
	}{
		{"good", good, nil, 200},
		{"charset_utf8", good, []string{"Content-Type", form + "; charset=UTF-8"}, 200},
		{"media_type_upper_case", good, []string{"Content-Type", "Application/X-WWW-Form-URLEncoded"}, 200},
		{"charset_other", good, []string{"Content-Type", form + "; charset=utf-16"}, 400},
		{"no_content_type", good, []string{"Content-Type", ""}, 400},
		{"json", `{"grant_type":"client_credentials"}`, []string{"Content-Type", "application/json"}, 400},
		{"text", good, []string{"Content-Type", "text/plain"}, 400},
		{"multipart", "--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}, 400},
		{"broken_content_type", good, []string{"Content-Type", form + "; charset"}, 400},
		{"compressed", good, []string{"Content-Encoding", "gzip"}, 400},
		{"bad_escape", good.Encode() + "&x=%zz", nil, 400},
		{"cut_escape", good.Encode() + "&x=%2", nil, 400},
		{"semicolon", good.Encode() + ";x=y", nil, 400},
		{"byte_order_mark", "\xef\xbb\xbf" + good.Encode(), nil, 400},
		{"invalid_utf8", good.Encode() + "&x=%ff", nil, 400},
		{"overlong_utf8", good.Encode() + "&x=%C0%AF", nil, 400},
		{"surrogate", good.Encode() + "&x=%ED%A0%80", nil, 400},
		{"nul", good.Encode() + "&x=%00", nil, 400},
		{"line_break", good.Encode() + "&x=%0d%0a", nil, 400},
		{"repeated", good.Encode() + "&client_id=confidential", nil, 400},
		{"parameters_200", good.Encode() + manyParameters(197), nil, 200},
		{"parameters_201", good.Encode() + manyParameters(198), nil, 400},
		{"body_64k", good.Encode() + strings.Repeat("&", 64<<10-len(good.Encode())), nil, 200},
		{"body_over_64k", good.Encode() + strings.Repeat("&", 64<<10), nil, 413},
		{"empty", "", nil, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			a := h.do(http.MethodPost, "/oauth2/token", c.body, c.headers...)
			if c.status != 200 {
				a.isError(t, c.status, "invalid_request")
			} else if a.StatusCode != 200 {
				t.Errorf("got %s %s", a.Status, a.body)
			}
		})
	}
	t.Run("authorization_repeated", func(t *testing.T) {
		r, _ := http.NewRequest(http.MethodPost, h.url+"/oauth2/token", strings.NewReader(good.Encode()))
		r.Header = http.Header{"Content-Type": {form}, "Authorization": {"Basic YTpi", "Basic YTpi"}}
		response, err := h.browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Error(response.Status)
		}
	})
}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&x")
		b.WriteString(strings.Repeat("y", i))
	}
	return b.String()
}

// RFC 6749 §2.3.1: credentials are not to be in the request URI.
func TestRFC6749_Section2_3_1(t *testing.T) {
	h := newHost(t, handlers.Options{})
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
		for _, query := range []string{"client_id=confidential&client_secret=" + secret, "token=" + secret, "x=y", "%zz"} {
			a := h.do(http.MethodPost, path+"?"+query, url.Values{"grant_type": {"client_credentials"}})
			a.isError(t, http.StatusBadRequest, "invalid_request")
		}
	}
	if strings.Contains(h.log.String(), secret) {
		t.Errorf("the secret is in the log:\n%s", h.log)
	}
}
