package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// act is what one press of a button led to.
type act struct {
	Title, Client string
	Steps         []step
}

// step is one thing that Status board did, as it is shown.
type step struct {
	Title, Note string
	Failed      bool

	Method, URL string
	Sent        []field // parameters and headers of interest
	Status      string
	Received    []field // headers of interest
	Body        string
	Decoded     []field // of a JWT in the answer: header and claims
	Lifetime    string  // of that JWT, in words
	Full        []field // what is shortened above
}

type field struct{ Name, Value string }

// Code is the number of the answer's status; empty if there was no answer.
func (s step) Code() string {
	code, _, _ := strings.Cut(s.Status, " ")
	if len(code) != len("200") {
		return ""
	}
	return code
}

// recorder is an http.RoundTripper that notes what goes over the wire.
type recorder struct {
	mu          sync.Mutex
	acts        []act
	title, note string // of the next request
}

// What a session keeps at most, so that a page left open all day stays small.
const (
	maxActs  = 20
	maxSteps = 20
)

// begin opens an act. With resume it goes on with the latest one instead, if that is
// the same: the browser leaves in the middle of Connect and comes back.
func (c *recorder) begin(title, client string, resume bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.acts); resume && n > 0 && c.acts[n-1].Title == title && c.acts[n-1].Client == client {
		return
	}
	c.acts = append(c.acts, act{Title: title, Client: client})
	c.acts = c.acts[max(0, len(c.acts)-maxActs):]
}

// next says what the following request is about.
func (c *recorder) next(title, note string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.title, c.note = title, note
}

func (c *recorder) add(s step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.acts) == 0 {
		c.acts = []act{{}}
	}
	a := &c.acts[len(c.acts)-1]
	a.Steps = append(a.Steps, s)
	a.Steps = a.Steps[max(0, len(a.Steps)-maxSteps):]
}

// latestFirst is what the page shows. Within an act the order is that of events.
func (c *recorder) latestFirst() []act {
	c.mu.Lock()
	defer c.mu.Unlock()
	var acts []act
	for _, a := range slices.Backward(c.acts) {
		if len(a.Steps) > 0 {
			acts = append(acts, act{a.Title, a.Client, slices.Clone(a.Steps)})
		}
	}
	return acts
}

func (c *recorder) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts = nil
}

// RoundTrip sends a request and notes it with its answer.
func (c *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	s := step{Title: c.title, Note: c.note, Method: r.Method, URL: r.URL.String()}
	c.mu.Unlock()
	var sent []byte
	if r.Body != nil {
		var err error
		sent, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	s.sentHeaders(r.Header)
	if form, err := url.ParseQuery(string(sent)); err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.sentParameters(form)
	} else if len(sent) > 0 {
		s.Sent = append(s.Sent, field{"body", string(sent)})
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Failed, s.Status = true, err.Error()
		c.add(s)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	s.Status, s.Failed = answer.Status, answer.StatusCode >= 400
	for _, name := range []string{"WWW-Authenticate", "Cache-Control", "Content-Type"} {
		if v := answer.Header.Get(name); v != "" {
			s.Received = append(s.Received, field{name, v})
		}
	}
	s.received(body)
	c.add(s)
	return answer, nil
}

// sentHeaders notes the credentials and the content type. Those of the client itself
// are not for showing, not even here.
func (s *step) sentHeaders(h http.Header) {
	if scheme, credentials, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		if strings.EqualFold(scheme, "Bearer") {
			s.Full = append(s.Full, field{"access_token", credentials})
			credentials = shorten(credentials)
		} else {
			credentials = "client_id:•••••• (base64)"
		}
		s.Sent = append(s.Sent, field{"Authorization", scheme + " " + credentials})
	}
	if v := h.Get("Content-Type"); v != "" {
		s.Sent = append(s.Sent, field{"Content-Type", v})
	}
}

// sentParameters notes a query or a form, credentials shortened.
func (s *step) sentParameters(params url.Values) {
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range params[name] {
			switch name {
			case "client_secret":
				v = "••••••"
			case "code", "code_verifier", "refresh_token", "token":
				s.Full = append(s.Full, field{name, v})
				v = shorten(v)
			}
			s.Sent = append(s.Sent, field{name, v})
		}
	}
}

// received notes a JSON answer, tokens shortened, and decodes the access token in it.
func (s *step) received(body []byte) {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		s.Body = strings.TrimSpace(string(body))
		return
	}
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, ok := members[name].(string); ok {
			s.Full = append(s.Full, field{name, v})
			members[name] = shorten(v)
			if name == "access_token" {
				s.decodeJWT(v)
			}
		}
	}
	var pretty bytes.Buffer
	e := json.NewEncoder(&pretty)
	e.SetEscapeHTML(false) // the template escapes
	e.SetIndent("", "  ")
	_ = e.Encode(members) // came from JSON
	s.Body = shortLists(strings.TrimSpace(pretty.String()))
}

// decodeJWT reads a JWT as anybody can: nothing in it is secret from who holds it.
func (s *step) decodeJWT(token string) {
	header, claims, err := readJWT(token)
	if err != nil {
		return
	}
	for _, part := range []struct {
		name string
		json []byte
	}{{"header", header}, {"claims", claims}} {
		var pretty bytes.Buffer
		if json.Indent(&pretty, part.json, "", "  ") != nil {
			return
		}
		s.Decoded = append(s.Decoded, field{part.name, pretty.String()})
	}
	var times struct{ Iat, Exp int64 }
	if json.Unmarshal(claims, &times) == nil {
		issued, expires := time.Unix(times.Iat, 0).UTC(), time.Unix(times.Exp, 0).UTC()
		s.Lifetime = "Issued (iat) at " + issued.Format(time.TimeOnly) + ", expires (exp) at " + expires.Format(time.TimeOnly) +
			fmt.Sprintf(" UTC, %.0f minutes later.", expires.Sub(issued).Minutes())
	}
}

// readJWT is the header and the claims of a signed JWT (RFC 7519 §7.2), its signature
// unchecked: to a client an access token is opaque, and this is for looking only.
func readJWT(token string) (header, claims []byte, err error) {
	parts := append(strings.Split(token, "."), "", "")
	if header, err = base64.RawURLEncoding.DecodeString(parts[0]); err != nil {
		return nil, nil, err
	}
	claims, err = base64.RawURLEncoding.DecodeString(parts[1])
	return header, claims, err
}

// shortLists puts lists of strings on one line each; the metadata has many.
func shortLists(pretty string) string {
	return regexp.MustCompile(`\[[^\[\]{}]*\]`).ReplaceAllStringFunc(pretty, func(list string) string {
		short := strings.Join(strings.Fields(list), " ")
		short = strings.NewReplacer("[ ", "[", " ]", "]").Replace(short)
		if len(short) > 60 {
			return list
		}
		return short
	})
}

// shorten keeps enough of a long value to recognise it by.
func shorten(v string) string {
	if len(v) <= 24 {
		return v
	}
	return v[:10] + "…" + v[len(v)-8:]
}
