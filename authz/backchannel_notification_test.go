package authz_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// bell is a client's notification endpoint, a real one. It answers with the statuses given, then
// with 204.
type bell struct {
	*httptest.Server
	mu    sync.Mutex
	rang  []string // method, path, content type, credentials and body of each request
	first []int
}

func newBell(t testing.TB, first ...int) *bell {
	b := &bell{first: first}
	b.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rang = append(b.rang, fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("Authorization"), " ", string(body)))
		status := http.StatusNoContent
		if len(b.rang) <= len(b.first) {
			status = b.first[len(b.rang)-1]
		}
		if status >= 300 && status < 400 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *bell) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.rang)
}

// rings has the client till be told at this bell.
func (b *bell) rings(c *authz.Config) {
	c.HTTPClient = b.Client()
	c.Clients[1].BackchannelClientNotificationEndpoint = b.URL + "/ping"
}

// told waits for what became of telling a client.
func (s *server) told(t testing.TB) authz.Event {
	t.Helper()
	for range 1000 {
		for _, e := range s.heard() {
			if e.Type == authz.ClientNotified || e.Type == authz.ClientNotNotified {
				return e
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no notification was reported")
	return authz.Event{}
}

// CIBA Core §10.2: the callback, whatever the answer was and at whichever replica.
func TestCIBA_10_2(t *testing.T) {
	for _, approve := range []bool{true, false} {
		b, p, store := newBell(t), new(phones), newProbe(memory.New())
		one, two := newServerOn(t, store, p.configure, b.rings), newServerOn(t, store, p.configure, b.rings)
		r := must(one.backchannel(till, set("client_notification_token", token)))(t)
		_, err := one.collect(till, r.AuthReqID) // it may poll all the same
		wantRefusal(t, err, "authorization_pending undecided")
		if got := b.heard(); len(got) != 0 {
			t.Fatalf("too early: %q", got)
		}
		if err := two.answers(p.last(t).ID, approve, "read"); err != nil {
			t.Fatal(err)
		}
		if e := two.told(t); e.Type != authz.ClientNotified || e.ClientID != till {
			t.Errorf("%+v", e)
		}
		want := `POST /ping application/json Bearer ` + token + ` {"auth_req_id":"` + r.AuthReqID + `"}`
		if got := b.heard(); len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
		if tokens, err := one.collect(till, r.AuthReqID); approve && (err != nil || tokens.IDToken == "") {
			t.Errorf("%v", err)
		} else if !approve {
			wantRefusal(t, err, "access_denied denied_by_user")
		}
		if log := two.log.String(); strings.Contains(log, token) || strings.Contains(log, r.AuthReqID) {
			t.Error("the log has what was sent")
		}
	}
}

// What a client answers: success of any kind, a redirect that is not followed, a refusal that is
// one, and trouble that passes. It costs the client nothing but time.
func TestCIBA_10_2_answers(t *testing.T) {
	for _, test := range []struct {
		first []int
		times int
		told  bool
	}{
		{[]int{200}, 1, true}, {[]int{202}, 1, true}, {[]int{307}, 1, false}, {[]int{401}, 1, false}, {[]int{404}, 1, false},
		{[]int{503}, 2, true}, {[]int{429}, 2, true},
	} {
		t.Run(fmt.Sprint(test.first), func(t *testing.T) {
			t.Parallel()
			b := newBell(t, test.first...)
			s, p := newBackchannel(t, b.rings)
			r := must(s.backchannel(till, set("client_notification_token", token)))(t)
			if err := s.answers(p.last(t).ID, true); err != nil {
				t.Fatal(err)
			}
			e := s.told(t)
			if (e.Type == authz.ClientNotified) != test.told || !test.told && e.Reason != "notification_failed" {
				t.Errorf("%+v", e)
			}
			if got := b.heard(); len(got) != test.times || slices.ContainsFunc(got, func(r string) bool { return !strings.HasPrefix(r, "POST /ping ") }) {
				t.Errorf("%q", got)
			}
			must(s.collect(till, r.AuthReqID))(t)
		})
	}
}

// An endpoint that does not answer holds up nobody: not the user, nor the client when it asks.
func TestCIBA_10_2_hangs(t *testing.T) {
	gone := make(chan struct{})
	hangs := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-gone:
		case <-r.Context().Done():
		}
	}))
	defer hangs.Close()
	defer close(gone)
	s, p := newBackchannel(t, func(c *authz.Config) {
		c.HTTPClient, c.Clients[1].BackchannelClientNotificationEndpoint = hangs.Client(), hangs.URL
	})
	r := must(s.backchannel(till, set("client_notification_token", token)))(t)
	began := time.Now()
	if err := s.answers(p.last(t).ID, true); err != nil {
		t.Fatal(err)
	}
	must(s.collect(till, r.AuthReqID))(t)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Without a client of the host's own nothing on this machine or its network is told anything.
func TestCIBA_10_2_inside(t *testing.T) {
	b := newBell(t)
	s, p := newBackchannel(t, b.rings, func(c *authz.Config) { c.HTTPClient = nil })
	must(s.backchannel(till, set("client_notification_token", token)))(t)
	if err := s.answers(p.last(t).ID, true); err != nil {
		t.Fatal(err)
	}
	if e := s.told(t); e.Type != authz.ClientNotNotified || !strings.Contains(s.log.String(), "prohibited") {
		t.Errorf("%+v", e)
	}
	if got := b.heard(); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// A client that polls is told nothing, even if it has an endpoint.
func TestCIBA_10_2_poll(t *testing.T) {
	b := newBell(t)
	s, p := newBackchannel(t, b.rings, func(c *authz.Config) { c.Clients[1].BackchannelTokenDeliveryMode = "poll" })
	r := must(s.backchannel(till, set("client_notification_token", token)))(t)
	if err := s.answers(p.last(t).ID, true); err != nil {
		t.Fatal(err)
	}
	must(s.collect(till, r.AuthReqID))(t)
	if got := b.heard(); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// CIBA Core §4: clients that register themselves.
func TestCIBA_4_registration(t *testing.T) {
	s, _ := newBackchannel(t, open(func(r *authz.Registration) {
		r.Scopes, r.GrantTypes = append(r.Scopes, "openid"), []string{"authorization_code", "refresh_token", ciba}
	}))
	with := func(pairs ...string) []string {
		return append([]string{"grant_types", `["` + ciba + `"]`, "token_endpoint_auth_method", `"client_secret_basic"`}, pairs...)
	}
	ping := with("backchannel_token_delivery_mode", `"ping"`, "backchannel_client_notification_endpoint", `"https://a.example/ping"`,
		"backchannel_user_code_parameter", "true", "backchannel_authentication_request_signing_alg", `"ES256"`, "jwks", jwks(p256))
	info := must(s.introduce(ping...))(t)
	if info.BackchannelTokenDeliveryMode != "ping" || info.BackchannelClientNotificationEndpoint != "https://a.example/ping" ||
		!info.BackchannelUserCodeParameter || info.BackchannelAuthenticationRequestSigningAlg != "ES256" || !slices.Contains(info.GrantTypes, ciba) {
		t.Errorf("%+v", info)
	}
	must(s.introduce(with("backchannel_token_delivery_mode", `"poll"`)...))(t)
	const bad = "400 invalid_client_metadata "
	for _, test := range []struct {
		pairs []string
		want  string
	}{
		{with(), "backchannel_token_delivery_mode_invalid"},
		{with("backchannel_token_delivery_mode", `"push"`), "backchannel_token_delivery_mode_invalid"},
		{[]string{"backchannel_token_delivery_mode", `"push"`}, "backchannel_token_delivery_mode_invalid"},
		{with("backchannel_token_delivery_mode", `"ping"`), "backchannel_client_notification_endpoint_invalid"},
		{with("backchannel_token_delivery_mode", `"ping"`, "backchannel_client_notification_endpoint", `"http://a.example"`), "backchannel_client_notification_endpoint_invalid"},
		{with("backchannel_token_delivery_mode", `"poll"`, "backchannel_authentication_request_signing_alg", `"none"`), "backchannel_authentication_request_signing_alg_invalid"},
		{with("backchannel_token_delivery_mode", `"poll"`, "backchannel_authentication_request_signing_alg", `"ES256"`), "metadata_contradictory"},
		{with("backchannel_token_delivery_mode", `"poll"`, "backchannel_user_code_parameter", `"yes"`), "backchannel_user_code_parameter_invalid"},
		{with("backchannel_token_delivery_mode", `"poll"`, "token_endpoint_auth_method", `"none"`), "metadata_contradictory"},
	} {
		_, err := s.introduce(test.pairs...)
		registrationRefused(t, err, bad+test.want)
	}
	// Where the grant is off its metadata mean nothing (RFC 7591 §2).
	off := newServer(t, open())
	if info := must(off.introduce("backchannel_token_delivery_mode", `"push"`))(t); info.BackchannelTokenDeliveryMode != "" {
		t.Errorf("%+v", info)
	}
}
