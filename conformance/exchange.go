package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// mostRead bounds an answer that is read.
const mostRead = 4 << 20

// exchange is one request and what came of it.
type exchange struct {
	p       *probe
	request *http.Request
	sent    []byte // the request's body
	took    time.Duration

	status int
	header http.Header
	body   []byte
	err    error

	member map[string]any // of a body that is a JSON object
}

// sending is how a request is changed before it is sent.
type sending func(*http.Request)

// header sets a header field; an empty value takes it away.
func header(name, value string) sending {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

// bearer presents an access token.
func bearer(token string) sending { return header("Authorization", "Bearer "+token) }

// send does one request, without following a redirect, and records it. What cannot be sent at
// all fails the case; a server that does not answer is for the caller to judge: err.
func (p *probe) send(method, address string, body io.Reader, changes ...sending) *exchange {
	return p.sendWith(p.run.client, method, address, body, changes...)
}

func (p *probe) sendWith(client *http.Client, method, address string, body io.Reader, changes ...sending) *exchange {
	x := &exchange{p: p}
	if body != nil {
		var err error
		if x.sent, err = io.ReadAll(body); err != nil {
			p.failf("read the request: %v", err)
		}
	}
	r, err := http.NewRequestWithContext(p.ctx, method, address, bytes.NewReader(x.sent))
	if err != nil {
		p.failf("the server names a URL that is none: %v", err)
	}
	if x.sent == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for _, change := range changes {
		change(r)
	}
	if r.Body != http.NoBody {
		x.sent, _ = io.ReadAll(r.Body) // from memory, and perhaps changed
		r.Body = io.NopCloser(bytes.NewReader(x.sent))
	}
	x.request = r
	begun := time.Now()
	answer, err := client.Do(r)
	if err == nil {
		x.status, x.header = answer.StatusCode, answer.Header
		x.body, err = io.ReadAll(io.LimitReader(answer.Body, mostRead))
		answer.Body.Close()
	}
	x.took, x.err = time.Since(begun), err
	if isJSON(x.header) {
		_ = json.Unmarshal(x.body, &x.member) // nil says that it is none
	}
	p.record(x)
	return x
}

// get does a GET.
func (p *probe) get(address string, changes ...sending) *exchange {
	return p.send(http.MethodGet, address, nil, changes...).answered()
}

// post sends a form.
func (p *probe) post(address string, form url.Values, changes ...sending) *exchange {
	return p.postWith(p.run.client, address, form, changes...)
}

func (p *probe) postWith(client *http.Client, address string, form url.Values, changes ...sending) *exchange {
	all := append([]sending{header("Content-Type", "application/x-www-form-urlencoded")}, changes...)
	return p.sendWith(client, http.MethodPost, address, strings.NewReader(form.Encode()), all...).answered()
}

// postJSON sends JSON.
func (p *probe) postJSON(method, address string, value any, changes ...sending) *exchange {
	text, err := json.Marshal(value)
	if err != nil {
		p.failf("encode: %v", err)
	}
	all := append([]sending{header("Content-Type", "application/json")}, changes...)
	return p.send(method, address, bytes.NewReader(text), all...).answered()
}

// answered fails the case unless there was an answer.
func (x *exchange) answered() *exchange {
	if x.err != nil {
		x.p.failBasic(x.basic(), "%s %s: no answer: %v", x.request.Method, x.request.URL.Redacted(), x.err)
	}
	return x
}

func isJSON(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

func (x *exchange) isHTML() bool {
	return strings.HasPrefix(strings.ToLower(x.header.Get("Content-Type")), "text/html")
}

// text is a member of the answer, empty if it is not a string.
func (x *exchange) text(name string) string {
	s, _ := x.member[name].(string)
	return s
}

// location is where the answer sends a browser, nil for nowhere.
func (x *exchange) location() *url.URL {
	to := x.header.Get("Location")
	if to == "" {
		return nil
	}
	u, err := x.request.URL.Parse(to)
	if err != nil {
		x.p.errorf("Location is no URL: %q", to)
		return nil
	}
	return u
}

// wantStatus fails the case unless the status is one of these.
func (x *exchange) wantStatus(statuses ...int) *exchange {
	if !slices.Contains(statuses, x.status) {
		x.p.failf("%s: status %d, want %s", x.what(), x.status, numbers(statuses))
	}
	return x
}

// wantError fails the case unless the answer is a JSON error of the token endpoint and its like
// (RFC 6749 §5.2), with one of these codes; status 0 is for any of 400 to 499. Status 400 is not
// insisted on either: a request that was refused as it should be has not failed for its number,
// which a case of its own watches.
func (x *exchange) wantError(status int, codes ...string) *exchange {
	switch {
	case status == 0 && (x.status < 400 || x.status > 499):
		x.p.failf("%s: status %d, want an error", x.what(), x.status)
	case status == http.StatusBadRequest && x.status > 400 && x.status < 500:
		return x.wantError(0, codes...)
	case status != 0 && x.status != status:
		x.p.failf("%s: status %d with error %q, want %d with %s", x.what(), x.status, x.text("error"), status, words(codes))
	case x.member == nil:
		x.p.failf("%s: the error is no JSON object but %s", x.what(), x.header.Get("Content-Type"))
	case !slices.Contains(codes, x.text("error")):
		x.p.failf("%s: error %q, want %s", x.what(), x.text("error"), words(codes))
	}
	return x
}

// wantJSON fails the case unless the answer is a JSON object with status 200.
func (x *exchange) wantJSON() *exchange {
	x.wantStatus(http.StatusOK)
	if x.member == nil {
		x.p.failf("%s: no JSON object but %s", x.what(), x.header.Get("Content-Type"))
	}
	return x
}

// wantRefused fails the case unless the status is from 400 to 499.
func (x *exchange) wantRefused() *exchange {
	if x.status < 400 || x.status > 499 {
		x.p.failf("%s: status %d, want a refusal", x.what(), x.status)
	}
	return x
}

// wantNoStore notes an error unless caches are told to keep nothing (RFC 6749 §5.1).
func (x *exchange) wantNoStore() *exchange {
	if !strings.Contains(strings.ToLower(x.header.Get("Cache-Control")), "no-store") {
		x.p.errorf("%s: Cache-Control is %q, without no-store", x.what(), x.header.Get("Cache-Control"))
	}
	return x
}

// challenge is the WWW-Authenticate challenge of a scheme: its parameters, nil if there is none.
func (x *exchange) challenge(scheme string) map[string]string {
	for _, value := range x.header.Values("WWW-Authenticate") {
		if found := challenges(value)[strings.ToLower(scheme)]; found != nil {
			return found
		}
	}
	return nil
}

// challenges reads a WWW-Authenticate value (RFC 9110 §11.6.1).
func challenges(value string) map[string]map[string]string {
	found := map[string]map[string]string{}
	var current map[string]string
	for value = strings.TrimLeft(value, " \t,"); value != ""; value = strings.TrimLeft(value, " \t,") {
		end := strings.IndexAny(value, " \t,=")
		if end < 0 {
			end = len(value)
		}
		word := value[:end]
		rest := strings.TrimLeft(value[end:], " \t")
		text, isParameter := strings.CutPrefix(rest, "=")
		if !isParameter || current == nil {
			current = map[string]string{}
			found[strings.ToLower(word)] = current
			if value = value[end:]; word == "" { // a stray =
				value = value[1:]
			}
			continue
		}
		text = strings.TrimLeft(text, " \t")
		var said strings.Builder
		if quoted, ok := strings.CutPrefix(text, `"`); ok {
			i := 0
			for ; i < len(quoted) && quoted[i] != '"'; i++ {
				if quoted[i] == '\\' && i+1 < len(quoted) {
					i++
				}
				said.WriteByte(quoted[i])
			}
			value = quoted[min(i+1, len(quoted)):]
		} else {
			stop := strings.IndexAny(text, " \t,")
			if stop < 0 {
				stop = len(text)
			}
			said.WriteString(text[:stop])
			value = text[stop:]
		}
		current[strings.ToLower(word)] = said.String()
	}
	return found
}

// what names the exchange in a problem.
func (x *exchange) what() string { return x.request.Method + " " + x.request.URL.Path }

func numbers(all []int) string {
	var s []string
	for _, n := range all {
		s = append(s, fmt.Sprint(n))
	}
	return strings.Join(s, " or ")
}

func words(all []string) string { return strings.Join(all, " or ") }
