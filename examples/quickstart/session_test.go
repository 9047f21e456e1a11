package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// cookies is what a store sets, the last of each name.
func cookies(do func(http.ResponseWriter)) map[string]*http.Cookie {
	w := httptest.NewRecorder()
	do(w)
	set := map[string]*http.Cookie{}
	for _, c := range w.Result().Cookies() {
		set[c.Name] = c
	}
	return set
}

func requestWith(value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: value})
	return r
}

// TestSignedSessions: a session is what a replica with the same key has signed, and
// nothing else.
func TestSignedSessions(t *testing.T) {
	t.Parallel()
	key := newSessionKey()
	here, there := newSignedSessions("session", key), newSignedSessions("session", key)
	stranger := newSignedSessions("session", newSessionKey())
	signIn := func(s *signedSessions, user string) string {
		return cookies(func(w http.ResponseWriter) { s.begin(w, user) })["session"].Value
	}
	ana := signIn(here, "ana")
	for _, replica := range []*signedSessions{here, there} {
		if s, ok := replica.find(requestWith(ana)); !ok || s.User != "ana" || time.Since(s.SignedInAt) > time.Minute {
			t.Errorf("the session is %+v, %v", s, ok)
		}
	}
	if again := signIn(here, "ana"); again == ana {
		t.Error("two sign-ins, one session")
	}

	payload, signature, _ := strings.Cut(ana, ".")
	session := func(user string, at time.Time) string {
		plain, err := json.Marshal(pagerSession{ID: "x", User: user, SignedInAt: at})
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(plain)
	}
	ben := session("ben", time.Now())
	flipped := []byte(ana)
	flipped[len(payload)+5] ^= 1
	for name, value := range map[string]string{
		"empty":            "",
		"no_signature":     payload,
		"empty_signature":  payload + ".",
		"other_payload":    ben + "." + signature,
		"only_signature":   "." + signature,
		"flipped":          string(flipped),
		"shortened":        ana[:len(ana)-1],
		"lengthened":       ana + "A",
		"another_part":     ana + "." + signature,
		"other_key":        signIn(stranger, "ana"),
		"empty_key":        newSignedSessions("session", nil).sign(ben),
		"signed_but_empty": here.sign(""),
		"signed_no_json":   here.sign("ew"),
		"expired":          here.sign(session("ana", time.Now().Add(-sessionLifetime))),
		"without_a_time":   here.sign(base64.RawURLEncoding.EncodeToString([]byte(`{"user":"ana"}`))),
	} {
		if s, ok := here.find(requestWith(value)); ok {
			t.Errorf("%s is taken for a session of %q", name, s.User)
		}
	}
	if _, ok := here.find(requestWith(here.sign(ben))); !ok {
		t.Error("what these are forgeries of is not a session either")
	}
}

// TestSignOutOfSignedSessions: the browser loses its cookie, and the process that ended
// the session takes no copy of it. Another replica cannot know before it expires.
func TestSignOutOfSignedSessions(t *testing.T) {
	t.Parallel()
	key := newSessionKey()
	here, there := newSignedSessions("session", key), newSignedSessions("session", key)
	value := cookies(func(w http.ResponseWriter) { here.begin(w, "ana") })["session"].Value
	other := cookies(func(w http.ResponseWriter) { here.begin(w, "ana") })["session"].Value

	dropped := cookies(func(w http.ResponseWriter) { here.end(w, requestWith(value)) })["session"]
	if dropped == nil || dropped.MaxAge >= 0 || dropped.Value != "" {
		t.Errorf("the browser keeps %v", dropped)
	}
	if _, ok := here.find(requestWith(value)); ok {
		t.Error("a session that was left is good where it was left")
	}
	if _, ok := here.find(requestWith(other)); !ok {
		t.Error("a session ended with another one of the same user")
	}
	if _, ok := there.find(requestWith(value)); !ok {
		t.Error("replicas know of each other's sign-outs now: say so in session.go")
	}

	// What is remembered of the left goes when they would have expired, and a forged
	// cookie adds nothing.
	here.left["long ago"] = time.Now().Add(-sessionLifetime)
	here.end(httptest.NewRecorder(), requestWith(other))
	here.end(httptest.NewRecorder(), requestWith(value+"A"))
	if len(here.left) != 2 {
		t.Errorf("%d sessions are remembered, expected the two that were left", len(here.left))
	}
}

// TestSessionKey: the replicas' key is one that nobody guesses, and not repeated.
func TestSessionKey(t *testing.T) {
	first, err := sessionKey()
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := sessionKey(); string(first) == string(second) || len(first) < 32 {
		t.Error("without a key in the environment, processes share one")
	}
	t.Setenv(sessionKeyVariable, "hunter2")
	if _, err := sessionKey(); err == nil || !strings.Contains(err.Error(), sessionKeyVariable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a short key: %v", err)
	}
	given := strings.Repeat("k", 32)
	t.Setenv(sessionKeyVariable, given)
	if key, err := sessionKey(); err != nil || string(key) != given {
		t.Errorf("the key is %q, %v", key, err)
	}
}
