package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

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
}

type field struct{ Name, Value string }

// recorder is an http.RoundTripper that notes what goes over the wire.
type recorder struct {
	mu    sync.Mutex
	steps []step
	title string
	note  string
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
	c.steps = append(c.steps, s)
	c.steps = c.steps[max(0, len(c.steps)-50):]
}

// latestFirst is what the page shows.
func (c *recorder) latestFirst() []step {
	c.mu.Lock()
	defer c.mu.Unlock()
	steps := slices.Clone(c.steps)
	slices.Reverse(steps)
	return steps
}

func (c *recorder) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = nil
}

// RoundTrip sends a request and notes it with its answer.
func (c *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	s := step{Title: c.title, Note: c.note, Method: r.Method, URL: r.URL.String()}
	c.mu.Unlock()
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	if a := r.Header.Get("Authorization"); a != "" {
		s.Sent = append(s.Sent, field{"Authorization", shortenCredentials(a)})
	}
	if form, err := url.ParseQuery(string(sent)); err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.Sent = append(s.Sent, fields(form)...)
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
	s.Body, s.Decoded = describe(body)
	c.add(s)
	return answer, nil
}

// describe lays out a JSON answer, tokens shortened, and decodes the access token in it.
func describe(body []byte) (string, []field) {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return strings.TrimSpace(string(body)), nil
	}
	token, _ := members["access_token"].(string)
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, ok := members[name].(string); ok {
			members[name] = shorten(v)
		}
	}
	pretty, _ := json.MarshalIndent(members, "", "  ") // came from JSON
	return string(pretty), decodeJWT(token)
}

// decodeJWT reads a JWT as anybody can: nothing in it is secret from who holds it.
func decodeJWT(token string) []field {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	var out []field
	for i, name := range []string{"header", "claims"} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		var pretty bytes.Buffer
		if err != nil || json.Indent(&pretty, raw, "", "  ") != nil {
			return nil
		}
		out = append(out, field{name, pretty.String()})
	}
	return out
}

// fields lists parameters, credentials shortened.
func fields(params url.Values) []field {
	var out []field
	for name, values := range params {
		for _, v := range values {
			switch name {
			case "client_secret":
				v = "••••••"
			case "code", "code_verifier", "refresh_token", "token":
				v = shorten(v)
			}
			out = append(out, field{name, v})
		}
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func shortenCredentials(header string) string {
	scheme, credentials, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Basic") {
		return scheme + " ••••••"
	}
	return scheme + " " + shorten(credentials)
}

// shorten keeps enough of a long value to recognise it by.
func shorten(v string) string {
	if len(v) <= 24 {
		return v
	}
	return v[:10] + "…" + v[len(v)-8:]
}
