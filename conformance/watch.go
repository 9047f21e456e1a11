package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What must hold of every exchange, whichever case brings it about.
var watchCases = []Case{
	{
		ID: "always-error-charset", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "every error of every case",
		Want:    "error and error_description of printable ASCII, without quotation marks and backslashes: nothing of the request, as it came",
		Attacks: []string{"B11"},
		watch: func(x *exchange) (bool, string) {
			said := x.errors()
			for _, text := range said {
				if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }); i >= 0 {
					return true, fmt.Sprintf("%q has, at %d, what must not be there", text, i)
				}
			}
			return len(said) > 0, ""
		},
	},
	{
		ID: "always-an-answer", Spec: "RFC 9110", Section: "15.6", Level: Should,
		Request: "every request of every case that breaks nothing of the server's",
		Want:    "never a status of 500 and above, but 503 with Retry-After where a client's own documents cannot be had",
		Attacks: []string{"D19"},
		watch: func(x *exchange) (bool, string) {
			if x.p.troubled.Load() {
				return false, ""
			}
			if x.status >= 500 && (x.status != http.StatusServiceUnavailable || x.header.Get("Retry-After") == "") {
				return true, fmt.Sprintf("status %d", x.status)
			}
			return true, ""
		},
	},
	{
		ID: "always-tokens-not-stored", Spec: "RFC 6749", Section: "5.1", Level: Must,
		Request: "every answer with a token in it",
		Want:    "Cache-Control: no-store",
		Attacks: []string{"D15"},
		watch: func(x *exchange) (bool, string) {
			for _, name := range []string{"access_token", "refresh_token", "id_token", "client_secret", "device_code", "registration_access_token"} {
				if s, _ := x.member[name].(string); s != "" {
					return true, x.storable()
				}
			}
			return false, ""
		},
	},
	{
		ID: "always-errors-not-stored", Spec: "RFC 6749", Section: "5.2", Level: Should,
		Request: "every 400 and 401 of the token endpoint",
		Want:    "Cache-Control: no-store",
		Attacks: []string{"D15"},
		watch: func(x *exchange) (bool, string) {
			// What is refused before it is read, for its size, is not the endpoint's to answer.
			if !x.at("token_endpoint") || x.status != http.StatusBadRequest && x.status != http.StatusUnauthorized {
				return false, ""
			}
			return true, x.storable()
		},
	},
	{
		ID: "always-errors-in-json", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "every 400 and 401 of the token endpoint",
		Want:    "a JSON object in application/json, with error",
		watch: func(x *exchange) (bool, string) {
			if !x.at("token_endpoint") || x.request.Method != http.MethodPost || x.status != http.StatusBadRequest && x.status != http.StatusUnauthorized {
				return false, ""
			}
			if !strings.HasPrefix(strings.ToLower(x.header.Get("Content-Type")), "application/json") {
				return true, fmt.Sprintf("status %d with Content-Type %q", x.status, x.header.Get("Content-Type"))
			}
			if x.text("error") == "" {
				return true, "there is no error in it"
			}
			return true, ""
		},
	},
	{
		ID: "always-error-status", Spec: "RFC 6749", Section: "5.2", Level: Must,
		Request: "every error of the token endpoint that has a code",
		Want:    "400, or 401 for invalid_client; or the status of HTTP's own for a request that is no such one, is too long, or one of too many",
		watch: func(x *exchange) (bool, string) {
			if !x.at("token_endpoint") || x.request.Method != http.MethodPost || x.status < 400 || x.status > 499 || x.text("error") == "" {
				return false, ""
			}
			switch x.status {
			case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
				http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge:
				return true, ""
			}
			if x.status == http.StatusUnauthorized && x.text("error") == "invalid_client" {
				return true, ""
			}
			return true, fmt.Sprintf("status %d with error %q", x.status, x.text("error"))
		},
	},
	{
		ID: "always-json-labelled", Spec: "RFC 6749", Section: "5.1", Level: Must,
		Request: "every JSON object that the server sends",
		Want:    "a Content-Type that says so, so that no browser takes it for a page",
		watch: func(x *exchange) (bool, string) {
			text := strings.TrimSpace(string(x.body))
			if !strings.HasPrefix(text, "{") || !json.Valid(x.body) {
				return false, ""
			}
			if !isJSON(x.header) {
				return true, fmt.Sprintf("Content-Type is %q", x.header.Get("Content-Type"))
			}
			return true, ""
		},
	},
	{
		ID: "always-a-challenge", Spec: "RFC 9110", Section: "15.5.2", Level: Must,
		Request: "every 401",
		Want:    "WWW-Authenticate",
		Attacks: []string{"D6", "G1"},
		watch: func(x *exchange) (bool, string) {
			if x.status != http.StatusUnauthorized {
				return false, ""
			}
			if len(challenges(strings.Join(x.header.Values("WWW-Authenticate"), ", "))) == 0 {
				return true, fmt.Sprintf("401 with WWW-Authenticate %q", x.header.Get("WWW-Authenticate"))
			}
			return true, ""
		},
	},
	{
		ID: "always-secrets-out-of-urls", Spec: "RFC 9700", Section: "4.3.2", Level: Must,
		Request: "every redirect of every case",
		Want:    "no secret of a client, no password, no token in the query of Location",
		Attacks: []string{"B24", "D9"},
		watch: func(x *exchange) (bool, string) {
			to, err := url.Parse(x.header.Get("Location"))
			if err != nil || x.header.Get("Location") == "" {
				return false, ""
			}
			for name, values := range to.Query() {
				if slices.Contains([]string{"access_token", "refresh_token", "client_secret", "password"}, name) {
					return true, name + " stands in the query"
				}
				for _, value := range values {
					for _, kind := range []string{"[client_secret ", "[password ", "[access_token ", "[refresh_token "} {
						if strings.HasPrefix(x.p.mask.names[value], kind) {
							return true, fmt.Sprintf("%s holds a %s", name, strings.Trim(kind, "[ "))
						}
					}
				}
			}
			return true, ""
		},
	},
}

// at tells whether the exchange is with an endpoint.
func (x *exchange) at(endpoint string) bool {
	md := x.p.run.md
	aliases, _ := md["mtls_endpoint_aliases"].(map[string]any)
	address := *x.request.URL
	address.RawQuery = ""
	return address.String() != "" && (address.String() == md.text(endpoint) || address.String() == aliases[endpoint])
}

// storable says what is wrong with an answer that no cache may keep.
func (x *exchange) storable() string {
	if control := x.header.Get("Cache-Control"); !strings.Contains(strings.ToLower(control), "no-store") {
		return fmt.Sprintf("Cache-Control is %q", control)
	}
	return ""
}

// errors are the codes and descriptions of errors in an answer: in its body, in the URL that it
// sends a browser to, and in a challenge.
func (x *exchange) errors() []string {
	var said []string
	add := func(get func(name string) string) {
		for _, name := range []string{"error", "error_description"} {
			if text := get(name); text != "" {
				said = append(said, text)
			}
		}
	}
	if x.text("error") != "" {
		add(x.text)
	}
	if to, err := url.Parse(x.header.Get("Location")); err == nil {
		add(to.Query().Get)
		if inFragment, err := url.ParseQuery(to.EscapedFragment()); err == nil {
			add(inFragment.Get)
		}
	}
	for _, value := range x.header.Values("WWW-Authenticate") {
		for _, challenge := range challenges(value) {
			add(func(name string) string { return challenge[name] })
		}
	}
	return said
}
