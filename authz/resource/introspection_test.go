package resource_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
)

const opaque = "b64-opaque~token+with/odd=characters"

func newIntrospection(t testing.TB, is *issuer, change func(*resource.IntrospectionConfig)) resource.Verifier {
	t.Helper()
	config := resource.IntrospectionConfig{
		Issuer: is.URL, Audience: api, ClientID: "api:1", ClientSecret: "s3cret +%/é",
		Clock: func() time.Time { return now },
	}
	if change != nil {
		change(&config)
	}
	v, err := resource.Introspection(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// answered makes the issuer answer so, and counts how often it is asked.
func (is *issuer) answered(answer map[string]any) *atomic.Int32 {
	asked := &atomic.Int32{}
	is.set(func() {
		is.introspect = func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			writeJSON(w, answer)
		}
	})
	return asked
}

func active(changes map[string]any) map[string]any {
	a := map[string]any{
		"active": true, "token_type": "Bearer", "sub": "user-1", "client_id": "cli", "aud": api,
		"scope": "alerts:read", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "id-1",
	}
	maps.Copy(a, changes)
	maps.DeleteFunc(a, func(_ string, v any) bool { return v == nil })
	return a
}

func TestRFC7662_Section2_1_Request(t *testing.T) {
	is := newIssuer(t)
	is.introspect = func(w http.ResponseWriter, r *http.Request) {
		// RFC 6749 §2.3.1: form-urlencoded before base64; a colon in the ID survives.
		id, secret, _ := r.BasicAuth()
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
		if id != "api:1" || secret != "s3cret +%/é" {
			t.Errorf("credentials: %q %q", id, secret)
		}
		if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
			t.Errorf("Content-Type: %s", got)
		}
		if got := r.Header.Get("Accept"); got != "application/json" {
			t.Errorf("Accept: %s", got)
		}
		if r.URL.RawQuery != "" {
			t.Error("something is in the query")
		}
		r.ParseForm()
		if want := (url.Values{"token": {opaque}, "token_type_hint": {"access_token"}}); !reflect.DeepEqual(r.PostForm, want) {
			t.Errorf("form: %v", r.PostForm)
		}
		writeJSON(w, active(nil))
	}
	_, got, err := verify(t, newIntrospection(t, is, nil), opaque)
	if err != nil {
		t.Fatal(err)
	}
	if got.Claims["active"] != true {
		t.Errorf("claims: %v", got.Claims)
	}
	got.Claims = nil
	want := &resource.Token{
		Issuer: is.URL, Subject: "user-1", ClientID: "cli", ID: "id-1", Audience: []string{api}, Scopes: []string{"alerts:read"},
		IssuedAt: time.Unix(now.Unix(), 0), ExpiresAt: time.Unix(now.Add(time.Hour).Unix(), 0),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestRFC7662_Section2_2_Answers(t *testing.T) {
	for name, c := range map[string]struct {
		answer map[string]any
		want   outcome
	}{
		"active":                    {active(nil), good},
		"active_least":              {map[string]any{"active": true, "aud": api}, good},
		"inactive":                  {map[string]any{"active": false}, invalid},
		"inactive_with_claims":      {active(map[string]any{"active": false}), invalid},
		"active_missing":            {active(map[string]any{"active": nil}), unknown},
		"active_is_a_string":        {active(map[string]any{"active": "true"}), unknown},
		"active_is_a_number":        {active(map[string]any{"active": 1}), unknown},
		"aud_several":               {active(map[string]any{"aud": []string{"x", api}}), good},
		"aud_of_another":            {active(map[string]any{"aud": "https://other.example"}), invalid},
		"aud_missing_refresh_token": {active(map[string]any{"aud": nil}), invalid},
		"iss_right":                 {active(map[string]any{"iss": "ISSUER"}), good},
		"iss_of_another":            {active(map[string]any{"iss": "https://evil.example"}), invalid},
		"expired_though_active":     {active(map[string]any{"exp": now.Add(-time.Minute).Unix()}), invalid},
		"nbf_future":                {active(map[string]any{"nbf": now.Add(time.Minute).Unix()}), invalid},
		"scope_of_wrong_type":       {active(map[string]any{"scope": []string{"a"}}), unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is := newIssuer(t)
			if c.answer["iss"] == "ISSUER" {
				c.answer["iss"] = is.URL
			}
			is.answered(c.answer)
			expect(t, newIntrospection(t, is, nil), opaque, c.want)
		})
	}
}

// RFC 7662 §2.3: what is not an answer about the token says nothing about it.
func TestRFC7662_Section2_3_Failures(t *testing.T) {
	stolen := newIssuer(t)
	stolen.introspect = func(w http.ResponseWriter, r *http.Request) { t.Error("the credentials went to another host") }
	for name, handler := range map[string]http.HandlerFunc{
		"401":      fail(http.StatusUnauthorized),
		"400":      fail(http.StatusBadRequest),
		"429":      fail(http.StatusTooManyRequests),
		"500":      fail(http.StatusInternalServerError),
		"503":      fail(http.StatusServiceUnavailable),
		"204":      fail(http.StatusNoContent),
		"not_json": text("<html>"),
		"null":     text("null"),
		"empty":    text(""),
		"twice":    text(`{"active":false,"active":true,"aud":"` + api + `"}`),
		"huge":     text(`{"active":true,"aud":"` + api + `"}` + strings.Repeat(" ", 1<<20)),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				http.Redirect(w, r, "/introspect?2", http.StatusTemporaryRedirect)
				return
			}
			t.Error("the credentials went elsewhere on this host")
			writeJSON(w, active(nil))
		},
		"redirect_away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, stolen.URL+"/introspect", http.StatusPermanentRedirect)
		},
		"hangs_up":       func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"active_in_case": text(`{"Active":true,"aud":"` + api + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			is := newIssuer(t)
			is.introspect = handler
			got, _, err := verify(t, newIntrospection(t, is, nil), opaque)
			if got != unknown {
				t.Fatalf("got %s (%v)", got, err)
			}
			if strings.Contains(err.Error(), opaque) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if name == "401" && !strings.Contains(err.Error(), "check ClientID and ClientSecret") {
				t.Errorf("no cure in: %v", err)
			}
		})
	}
	t.Run("no_metadata", func(t *testing.T) {
		is := newIssuer(t)
		is.metadata = fail(http.StatusInternalServerError)
		expect(t, newIntrospection(t, is, nil), opaque, unknown)
	})
	t.Run("no_endpoint_in_the_metadata", func(t *testing.T) {
		is := newIssuer(t)
		is.metadata = func(w http.ResponseWriter, r *http.Request) { writeJSON(w, map[string]any{"issuer": is.URL}) }
		expect(t, newIntrospection(t, is, nil), opaque, unknown)
	})
	t.Run("caller_gone", func(t *testing.T) {
		is := newIssuer(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := newIntrospection(t, is, nil).VerifyAccessToken(ctx, opaque)
		if err == nil || errors.Is(err, resource.ErrInvalidToken) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestIntrospectionBoundsTheToken(t *testing.T) {
	is := newIssuer(t)
	asked := is.answered(active(nil))
	v := newIntrospection(t, is, nil)
	expect(t, v, "", invalid)
	expect(t, v, strings.Repeat("x", 16<<10+1), invalid)
	if asked.Load() != 0 {
		t.Error("the issuer was asked")
	}
	expect(t, v, strings.Repeat("x", 16<<10), good)
}

func TestIntrospectionAtAGivenEndpoint(t *testing.T) {
	is := newIssuer(t)
	is.metadata = fail(http.StatusNotFound)
	is.answered(active(nil))
	v := newIntrospection(t, is, func(c *resource.IntrospectionConfig) { c.Endpoint = is.URL + "/introspect" })
	expect(t, v, opaque, good)
}

func TestRFC7662_Section4_NoCacheByDefault(t *testing.T) {
	is := newIssuer(t)
	is.answered(active(nil))
	v := newIntrospection(t, is, nil)
	expect(t, v, opaque, good)
	is.answered(map[string]any{"active": false})
	expect(t, v, opaque, invalid)
}

func TestRFC7662_Section4_Cache(t *testing.T) {
	is, c := newIssuer(t), newClock()
	v := newIntrospection(t, is, func(config *resource.IntrospectionConfig) {
		config.CacheFor, config.Clock, config.Leeway = time.Minute, c.now, -1
	})
	asked := is.answered(active(map[string]any{"exp": now.Add(90 * time.Second).Unix()}))
	_, first, err := verify(t, v, opaque)
	if err != nil {
		t.Fatal(err)
	}
	// What one request does to its token must not be seen by the next.
	first.Scopes[0], first.Claims["sub"] = "admin", "admin"
	_, second, err := verify(t, v, opaque)
	if err != nil || second.HasScope("admin") || second.Claims["sub"] != "user-1" {
		t.Errorf("%v, %v", second, err)
	}
	expect(t, v, opaque+"2", good) // another token is another question
	if got := asked.Load(); got != 2 {
		t.Errorf("asked %d times", got)
	}
	c.advance(time.Minute)
	expect(t, v, opaque, good)
	if got := asked.Load(); got != 3 {
		t.Errorf("asked %d times after the answer was old", got)
	}
	c.advance(30 * time.Second) // 30 s left of the second answer, nothing of the token
	expect(t, v, opaque, invalid)
}

func TestRFC7662_Section4_InactiveIsNotCached(t *testing.T) {
	is := newIssuer(t)
	v := newIntrospection(t, is, func(c *resource.IntrospectionConfig) { c.CacheFor = time.Minute })
	asked := is.answered(map[string]any{"active": false})
	expect(t, v, opaque, invalid)
	expect(t, v, opaque, invalid)
	if got := asked.Load(); got != 2 {
		t.Errorf("asked %d times", got)
	}
}

func TestIntrospectionConfig(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*resource.IntrospectionConfig)
		want   string
	}{
		"enough":           {func(c *resource.IntrospectionConfig) {}, ""},
		"issuer_missing":   {func(c *resource.IntrospectionConfig) { c.Issuer = "" }, "Issuer is missing"},
		"audience_missing": {func(c *resource.IntrospectionConfig) { c.Audience = "" }, "Audience is missing"},
		"id_missing":       {func(c *resource.IntrospectionConfig) { c.ClientID = "" }, "ClientID or ClientSecret"},
		"secret_missing":   {func(c *resource.IntrospectionConfig) { c.ClientSecret = "" }, "ClientID or ClientSecret"},
		"endpoint_http":    {func(c *resource.IntrospectionConfig) { c.Endpoint = "http://auth.example.com/i" }, "Endpoint is not an https URL"},
		"cache_long":       {func(c *resource.IntrospectionConfig) { c.CacheFor = time.Hour }, "CacheFor"},
		"cache_negative":   {func(c *resource.IntrospectionConfig) { c.CacheFor = -1 }, "CacheFor"},
	} {
		t.Run(name, func(t *testing.T) {
			config := resource.IntrospectionConfig{Issuer: "https://auth.example.com", Audience: api, ClientID: "api", ClientSecret: "s"}
			c.change(&config)
			_, err := resource.Introspection(config)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want something about %s", err, c.want)
			}
		})
	}
}
