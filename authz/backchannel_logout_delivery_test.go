package authz_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// §2.5, §2.8: what a client answers. 400 is a refusal, for good; all else that is no success is
// tried again, seven times in all, within about an hour.
func TestBackChannelLogout_2_8(t *testing.T) {
	var elsewhere *party
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		final  string // after the first attempt; empty if it is tried again
	}{
		"200": {status(200), "web"},
		"204": {status(204), "web"},
		"400": {status(400), "web logout_token_refused"},
		"404": {status(404), ""},
		"500": {status(500), ""},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, ""},
		"no answer": {func(w http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere = newParty(t, nil)
			h := newHouse(t)
			p := newParty(t, test.answer)
			h.tells(t, web, p.URL)
			h.login(t, web)
			must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
			p.waitFor(t, 1)
			if test.final != "" {
				h.told(t, test.final)
				h.clock.Advance(24 * time.Hour)
				must(0, h.DeliverLogouts(t.Context()))(t)
				p.waitFor(t, 1)
				return
			}
			begun := h.clock.Now()
			for attempts := 1; ; attempts++ {
				must(0, h.DeliverLogouts(t.Context()))(t)
				p.waitFor(t, attempts)
				if h.due(t) == 0 {
					break
				}
				left := must(h.store.inner.ListNotices(t.Context(), "~", 10))(t)
				if len(left) != 1 || left[0].Attempts != attempts || attempts >= 7 {
					t.Fatalf("%+v after %d", left, attempts)
				}
				if pause := left[0].DueAt().Sub(h.clock.Now()); pause <= 5*time.Second {
					t.Fatalf("it is tried again after %v, while the first may be under way", pause)
				}
				h.clock.Advance(left[0].DueAt().Sub(h.clock.Now()) - time.Millisecond)
				must(0, h.DeliverLogouts(t.Context()))(t)
				p.waitFor(t, attempts)
				h.clock.Advance(time.Millisecond)
			}
			h.told(t, "web logout_unanswered")
			if n, took := len(p.heard()), h.clock.Now().Sub(begun); n != 7 || took < 45*time.Minute || took > 75*time.Minute {
				t.Errorf("%d attempts in %v", n, took)
			}
			if n := len(elsewhere.heard()); n != 0 {
				t.Error("a redirect was followed")
			}
			tokens := p.waitFor(t, 7)
			slices.Sort(tokens)
			if len(slices.Compact(tokens)) != 7 {
				t.Error("a token was kept")
			}
		})
	}
}

// A client that answers in the end has been told; one that hangs holds up neither the logout nor
// the others.
func TestBackChannelLogout_2_5_slow(t *testing.T) {
	h := newHouse(t)
	release := make(chan struct{})
	hangs := newParty(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	quick := newParty(t, nil)
	h.tells(t, web, hangs.URL)
	h.tells(t, spa, quick.URL)
	h.login(t, web)
	h.login(t, spa)
	begun := time.Now()
	must(h.leave(set("id_token_hint", h.login(t, web).IDToken)))(t)
	quick.waitFor(t, 1)
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	hangs.waitFor(t, 1)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(h.log.String(), "tried again"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is still waited for")
		}
	}
	hangs.answers(nil)
	h.clock.Advance(20 * time.Second)
	must(0, h.DeliverLogouts(t.Context()))(t)
	h.told(t, spa, web)
}

// What a client names must not lead inside, whoever has stored it (§2.2).
func TestBackChannelLogout_2_2_inside(t *testing.T) {
	h := newHouse(t, func(c *authz.Config) { c.HTTPClient = nil })
	inside := newParty(t, nil)
	secure := httptest.NewTLSServer(inside)
	t.Cleanup(secure.Close)
	for i, uri := range []string{inside.URL, secure.URL, strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), "ftp://app.example", "http://app.example/", "https://user@app.example/"} {
		session := fmt.Sprint("s", i)
		h.in(session)
		h.tells(t, web, uri)
		h.login(t, web)
		must(0, h.RevokeSession(t.Context(), "ana", session))(t)
		for range 7 {
			must(0, h.DeliverLogouts(t.Context()))(t)
			h.clock.Advance(time.Hour)
		}
	}
	for end := time.Now().Add(10 * time.Second); h.due(t) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on for ever")
		}
		must(0, h.DeliverLogouts(t.Context()))(t)
		h.clock.Advance(time.Hour)
	}
	if len(inside.heard()) != 0 {
		t.Error("it was connected to")
	}
}

// A client that is gone, or does not want to be told any more, is not.
func TestBackChannelLogout_2_2_gone(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, status(500))
	for _, edit := range []func(*authz.Client){
		func(c *authz.Client) { c.Disabled = true },
		func(c *authz.Client) { c.BackchannelLogoutURI = "" },
	} {
		h.tells(t, spa, p.URL)
		h.change(t, spa, func(c *authz.Client) { c.Disabled = false })
		before := len(p.heard())
		h.login(t, spa)
		must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
		p.waitFor(t, before+1)
		h.change(t, spa, edit)
		h.clock.Advance(time.Minute)
		for end := time.Now().Add(10 * time.Second); h.due(t) > 0 && time.Now().Before(end); {
			must(0, h.DeliverLogouts(t.Context()))(t)
			h.clock.Advance(time.Minute)
		}
		p.waitFor(t, before+1)
	}
	h.told(t, "spa client_gone", "spa client_gone")
}

// What was to be told when the process died is told by the next one, with nothing done for it.
func TestBackChannelLogout_restart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authz.db")
	start := func(later time.Duration) (*house, *bolt.DB) {
		db := must(bolt.Open(path))(t)
		t.Cleanup(func() { db.Close() })
		return newHouseOn(t, newProbe(db), func(c *authz.Config) {
			now, begun := c.Clock, time.Now()
			c.Clock = func() time.Time { return now().Add(later).Add(time.Since(begun)) }
		}), db
	}
	h, db := start(0)
	p := newParty(t, status(503))
	at := h.clock.Now()
	const shop = "shop" // which no start puts back
	must(0, h.RegisterClient(t.Context(), authz.Client{
		ID: shop, RedirectURIs: []string{"https://shop.example/cb"}, Scopes: []string{"openid"}, BackchannelLogoutURI: p.URL,
	}))(t)
	must(0, db.Commit(t.Context(), storage.Write{At: at, Grants: []storage.Grant{{
		ID: storage.NewGrantID(at.Add(time.Hour)), ClientID: shop, Subject: "ana", SessionID: "s1", Scopes: []string{"openid"}, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}}}))(t)
	must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
	first := h.idToken(t, p.waitFor(t, 1)[0], "RS256")
	must(0, db.Close())(t)

	p.answers(nil)
	// It was to be tried again 20 s after the first time: nothing is due when this one starts, and
	// nobody asks it for anything.
	second, _ := start(19 * time.Second)
	if n := len(p.heard()); n != 1 {
		t.Errorf("%d attempts, though none was due", n)
	}
	claims := second.idToken(t, p.waitFor(t, 2)[1], "RS256")
	if claims["sid"] != first["sid"] || claims["sub"] != "ana" || claims["jti"] == first["jti"] {
		t.Errorf("%v, and before %v", claims, first)
	}
	second.told(t, shop)
	if second.due(t) != 0 {
		t.Error("it is told again")
	}
}

// Two servers on one store deliver each notice once.
func TestBackChannelLogout_replicas(t *testing.T) {
	store := memory.New()
	one := newHouseOn(t, newProbe(store))
	two := newHouseOn(t, newProbe(store))
	p := newParty(t, func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Millisecond) })
	one.tells(t, web, p.URL)
	const users = 150
	at := one.clock.Now()
	var w storage.Write
	for i := range users {
		w.Notices = append(w.Notices, storage.Notice{ID: storage.NewNoticeID(at), Kind: storage.LogoutNotice, ClientID: web, Subject: fmt.Sprint("u", i), CreatedAt: at})
	}
	w.At = at
	must(0, store.Commit(t.Context(), w))(t)
	var wait sync.WaitGroup
	for _, h := range []*house{one, two, one, two} {
		wait.Go(func() {
			if err := h.DeliverLogouts(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	told := map[any]int{}
	for _, token := range p.waitFor(t, users) {
		told[one.idToken(t, token, "RS256")["sub"]]++
	}
	if len(told) != users || one.due(t) != 0 {
		t.Errorf("%d users of %d", len(told), users)
	}
	var both [2]int
	for i, h := range []*house{one, two} {
		for _, e := range h.heard() {
			if e.Type == authz.LogoutDelivered {
				both[i]++
			}
		}
	}
	if both[0]+both[1] != users || both[0] == 0 || both[1] == 0 {
		t.Errorf("the replicas delivered %v", both)
	}
}

// What another server has left is found by the requests that come here.
func TestBackChannelLogout_left_by_another(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, nil)
	h.tells(t, web, p.URL)
	at := h.clock.Now()
	n := storage.Notice{ID: storage.NewNoticeID(at), Kind: storage.LogoutNotice, ClientID: web, Subject: "ana", CreatedAt: at}
	unknown := storage.Notice{ID: storage.NewNoticeID(at), Kind: "of a later version", ClientID: web, Subject: "ana", CreatedAt: at}
	must(0, h.store.inner.Commit(t.Context(), storage.Write{At: at, Notices: []storage.Notice{n, unknown}}))(t)
	h.LookAgain()
	must(h.JWKS(t.Context()))(t)
	p.waitFor(t, 1)
	h.told(t, web)
	if h.due(t) != 1 {
		t.Error("what this version does not know is gone")
	}
}

// A store that fails, and a hook that does: nobody is half signed out without being told to try
// again.
func TestBackChannelLogout_faults(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, nil)
	h.tells(t, web, p.URL)
	hint := h.login(t, web).IDToken
	h.store.breakDown(true)
	_, err := h.leave(set("client_id", "nobody-knows"))
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
	h.store.breakDown(false)
	h.store.watch(-1)
	must(h.leave(set("id_token_hint", hint)))(t)
	calls, _ := h.store.seen()
	h.told(t, web)
	for i := range calls {
		h.in("s1")
		h.ended = 0
		hint = h.login(t, web).IDToken
		h.store.watch(i)
		_, err := h.leave(set("id_token_hint", hint))
		h.store.watch(-1)
		if err != nil && h.ended != 0 {
			t.Errorf("call %d, %s: %v, and the host's session has ended", i, calls[i], err)
		}
		if err == nil {
			continue // a look that can be done without
		}
		wantRefusal(t, err, "temporarily_unavailable storage_failed")
		response, err := h.leave(set("id_token_hint", hint))
		if got := h.outcome(t, response, err); got != "done" || h.ended != 1 {
			t.Errorf("again after call %d: %s, ended %d times", i, got, h.ended)
		}
	}
}
