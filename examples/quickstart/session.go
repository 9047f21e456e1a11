package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Two session stores, each as small as can be. The authorization server sees neither.

// pagerSession is somebody signed in to Pager.
type pagerSession struct {
	ID         string    `json:"id"`
	User       string    `json:"user"`
	SignedInAt time.Time `json:"signed_in_at"`
}

// sessionLifetime bounds what a copied cookie is good for.
const sessionLifetime = 12 * time.Hour

// signedSessions are in the cookies themselves, signed, so that every replica of Pager
// knows a user whom another one has signed in.
//
// The price is paid at sign-out: the browser forgets its cookie, and this process does
// not take it again, but a copy of it is good at the other replicas until it expires. An
// app that minds keeps its sessions, or those that were left, in its database.
type signedSessions struct {
	cookie string
	key    []byte

	mu   sync.Mutex
	left map[string]time.Time // by ID, since when the user was signed in
}

func newSignedSessions(cookie string, key []byte) *signedSessions {
	return &signedSessions{cookie: cookie, key: key, left: map[string]time.Time{}}
}

// newSessionKey is for a process that shares its sessions with no other.
func newSessionKey() []byte { return []byte(rand.Text() + rand.Text()) }

func (s *signedSessions) sign(payload string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(payload))
	return payload + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *signedSessions) find(r *http.Request) (pagerSession, bool) {
	c, err := r.Cookie(s.cookie)
	if err != nil {
		return pagerSession{}, false
	}
	payload, _, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(s.sign(payload)), []byte(c.Value)) { // nothing in it is looked at before
		return pagerSession{}, false
	}
	var session pagerSession
	plain, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(plain, &session) != nil || time.Since(session.SignedInAt) >= sessionLifetime {
		return pagerSession{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, left := s.left[session.ID]; left {
		return pagerSession{}, false
	}
	return session, true
}

func (s *signedSessions) begin(w http.ResponseWriter, user string) {
	plain, err := json.Marshal(pagerSession{ID: rand.Text(), User: user, SignedInAt: time.Now()})
	if err != nil {
		panic(err) // strings and a time of this age can be written
	}
	setCookie(w, s.cookie, s.sign(base64.RawURLEncoding.EncodeToString(plain)))
}

func (s *signedSessions) end(w http.ResponseWriter, r *http.Request) {
	if session, ok := s.find(r); ok {
		s.mu.Lock()
		s.left[session.ID] = session.SignedInAt
		for id, since := range s.left {
			if time.Since(since) >= sessionLifetime {
				delete(s.left, id)
			}
		}
		s.mu.Unlock()
	}
	dropCookie(w, s.cookie)
}

// sessions are in memory, under a random cookie.
type sessions[T any] struct {
	cookie string
	byID   sync.Map
}

func (s *sessions[T]) find(r *http.Request) (value T, ok bool) {
	if c, err := r.Cookie(s.cookie); err == nil {
		if v, found := s.byID.Load(c.Value); found {
			return v.(T), true
		}
	}
	return value, false
}

func (s *sessions[T]) begin(w http.ResponseWriter, value T) {
	id := rand.Text()
	s.byID.Store(id, value)
	setCookie(w, s.cookie, id)
}

func setCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
