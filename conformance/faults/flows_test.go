package faults_test

import (
	"testing"
	"time"

	. "github.com/grantor-oauth/grantor/conformance/faults"
)

// flow is a step of the protocol that may meet a store that cannot tell. begin takes a user
// to the moment before and returns the step.
type flow struct {
	name  string
	begin func(t *testing.T, h *host, user string) (step func() *Answer)
	want  string // without a fault

	// again is what the step leads to once it has had its effect without an answer; empty
	// if that is the same.
	again string
}

// stale makes the server ask for its keys again: they are held for a minute.
const stale = 2 * time.Minute

// forgotten is when it will not go on with those it holds.
const forgotten = time.Hour

// flows are all steps, by all endpoints.
func flows() []flow {
	list := []flow{
		{"authorization, asked", func(t *testing.T, h *host, user string) func() *Answer {
			b := h.Browser(user)
			h.clock.Advance(stale)
			return func() *Answer { return b.Authorize(Web) }
		}, Asked, ""},
		{"authorization, remembered", func(t *testing.T, h *host, user string) func() *Answer {
			h.code(t, user, Web)
			return func() *Answer { return h.Browser(user).Authorize(Web) }
		}, Coded, ""},
		{"authorization, first party", func(t *testing.T, h *host, user string) func() *Answer {
			return func() *Answer { return h.Browser(user).Authorize(First) }
		}, Coded, ""},
		{"approval", deciding("allow", 1), Coded, ""},
		{"approval, again", deciding("allow", 2), Coded, ""},
		{"denial", deciding("deny", 1), "back: access_denied", ""},
		{"code", func(t *testing.T, h *host, user string) func() *Answer {
			code := h.code(t, user, Web)
			return func() *Answer { return h.Redeem(Web, code) }
		}, OK, "400 invalid_grant"}, // may cost a new sign-in, never a second pair
		{"code, public client", func(t *testing.T, h *host, user string) func() *Answer {
			code := h.code(t, user, SPA)
			h.clock.Advance(30 * time.Second)
			return func() *Answer { return h.Redeem(SPA, code) }
		}, OK, "400 invalid_grant"},
		{"code, replayed", func(t *testing.T, h *host, user string) func() *Answer {
			code := h.code(t, user, Web)
			issued(t, h.Redeem(Web, code))
			return func() *Answer { return h.Redeem(Web, code) }
		}, "400 invalid_grant", ""},
		{"refresh", refreshing(0, 0), OK, ""},
		{"refresh, keys stale", refreshing(0, stale), OK, ""},
		{"refresh, keys forgotten", refreshing(0, forgotten), OK, ""},
		{"refresh, repeated", refreshing(1, 0), OK, ""},
		{"refresh, replayed", refreshing(1, time.Minute), "400 invalid_grant", ""},
		{"own token", func(t *testing.T, h *host, _ string) func() *Answer {
			return func() *Answer { return h.Own(Service) }
		}, OK, ""},
		{"introspection of nothing", func(t *testing.T, h *host, _ string) func() *Answer {
			return func() *Answer { return h.Introspect(API, "nothing") }
		}, Inactive, ""},
		{"API", func(t *testing.T, h *host, user string) func() *Answer {
			p := h.tokens(t, user, Web)
			h.clock.Advance(stale)
			return func() *Answer { return h.Call(p.access) }
		}, OK, ""},
		{"API, own token", func(t *testing.T, h *host, _ string) func() *Answer {
			p := issued(t, h.Own(Service))
			return func() *Answer { return h.Call(p.access) }
		}, OK, ""},
		{"revocation of nothing", func(t *testing.T, h *host, _ string) func() *Answer {
			return func() *Answer { return h.Revoke(Web, "nothing") }
		}, OK, ""},
		{"JWKS, keys stale", published(JWKSPath, stale), OK, ""},
		{"JWKS, keys forgotten", published(JWKSPath, forgotten), OK, ""},
		{"JWKS, rotation due", published(JWKSPath, 90*24*time.Hour), OK, ""},
		{"metadata", published(MetadataPath, forgotten), OK, ""},
		{"host ends all", func(t *testing.T, h *host, user string) func() *Answer {
			h.tokens(t, user, Web)
			return func() *Answer { return h.Browser(user).End() }
		}, OK, ""},
		{"host disconnects", func(t *testing.T, h *host, user string) func() *Answer {
			h.tokens(t, user, Web)
			return func() *Answer { return h.Browser(user).Disconnect(Web) }
		}, OK, ""},
		{"host ends a grant", func(t *testing.T, h *host, user string) func() *Answer {
			h.tokens(t, user, Web)
			grants, err := h.store.Inner().ListGrants(t.Context(), user, "", 1)
			if err != nil || len(grants) != 1 {
				t.Fatalf("%d grants of %s, %v", len(grants), user, err)
			}
			return func() *Answer { return h.Browser(user).EndGrant(grants[0].ID) }
		}, OK, ""},
		{"host registers a client", func(_ *testing.T, h *host, user string) func() *Answer {
			return func() *Answer { return h.Browser(user).Register("client-of-" + user) }
		}, OK, ""},
		{"own token of a client just registered", func(t *testing.T, h *host, user string) func() *Answer {
			client := "client-of-" + user
			wants(t, "registration", h.Browser(user).Register(client), OK)
			return func() *Answer { return h.Own(client) }
		}, OK, ""},
		{"host lists", func(t *testing.T, h *host, user string) func() *Answer {
			h.tokens(t, user, Web)
			return func() *Answer { return h.Browser(user).Consents() }
		}, OK, ""},
	}
	for kind, get := range map[string]func(*testing.T, *host, string) (client, token string){
		"access token": func(t *testing.T, h *host, user string) (string, string) { return Web, h.tokens(t, user, Web).access },
		"refresh token": func(t *testing.T, h *host, user string) (string, string) {
			return Web, h.tokens(t, user, Web).refresh
		},
		"own token": func(t *testing.T, h *host, _ string) (string, string) {
			return Service, issued(t, h.Own(Service)).access
		},
		"public client's refresh token": func(t *testing.T, h *host, user string) (string, string) {
			return SPA, h.tokens(t, user, SPA).refresh
		},
	} {
		list = append(list, flow{"revocation of a client's " + kind, func(t *testing.T, h *host, user string) func() *Answer {
			client, token := get(t, h, user)
			return func() *Answer { return h.Revoke(client, token) }
		}, OK, ""})
		if kind == "public client's refresh token" {
			continue // a public client may not introspect
		}
		list = append(list, flow{"introspection of a client's " + kind, func(t *testing.T, h *host, user string) func() *Answer {
			client, token := get(t, h, user)
			return func() *Answer { return h.Introspect(client, token) }
		}, Active, ""})
	}
	return list
}

// deciding answers a consent page, for the n-th time.
func deciding(decision string, n int) func(*testing.T, *host, string) func() *Answer {
	return func(t *testing.T, h *host, user string) func() *Answer {
		b := h.Browser(user)
		page := b.Authorize(Web)
		wants(t, "the consent page", page, Asked)
		for range n - 1 {
			b.Decide(page, decision)
		}
		return func() *Answer { return b.Decide(page, decision) }
	}
}

// refreshing uses a refresh token that was used before, or not, after a while.
func refreshing(before int, wait time.Duration) func(*testing.T, *host, string) func() *Answer {
	return func(t *testing.T, h *host, user string) func() *Answer {
		token := h.tokens(t, user, Web).refresh
		for range before {
			issued(t, h.Refresh(Web, token))
		}
		h.clock.Advance(wait)
		return func() *Answer { return h.Refresh(Web, token) }
	}
}

// published reads a public document, after a while.
func published(path string, wait time.Duration) func(*testing.T, *host, string) func() *Answer {
	return func(_ *testing.T, h *host, _ string) func() *Answer {
		h.clock.Advance(wait)
		return func() *Answer { return h.Get(path) }
	}
}
