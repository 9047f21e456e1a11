package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
)

// family is the model of one refresh family as clients see it: the refresh tokens in the
// order in which they were issued, each the successor of the one before.
type family struct {
	revoked bool
	chain   string // joined by spaces; "?" is one that nobody was told
}

// request is what a client asks. part is the family; first, the token that it began with.
type request struct {
	part  int
	kind  string
	first string
	token string // the refresh token; for the API, the one that came with the access token
	grace bool   // whether a repeated refresh is answered again
}

// reply is what the client was told; token is the new refresh token.
type reply struct{ outcome, token string }

// step judges one reply, nil for one that got lost.
func (s family) step(r request, got *reply) (bool, family) {
	if s.chain == "" {
		s.chain = r.first
	}
	tokens := strings.Split(s.chain, " ")
	at := slices.Index(tokens, r.token)
	last := at == len(tokens)-1
	if at < 0 {
		return false, s // somebody holds a token before it was issued
	}
	is := func(outcome string) bool { return got == nil || got.outcome == outcome }
	switch {
	case r.kind == "API" && s.revoked:
		return is("401 invalid_token"), s
	case r.kind == "API":
		return is(OK), s
	case r.kind == "introspect" && !s.revoked && last:
		return is(Active), s
	case r.kind == "introspect":
		return is(Inactive), s
	case r.kind == "revoke":
		s.revoked = true
		return is(OK), s
	case s.revoked:
		return is(refused), s
	case last && got == nil:
		tokens = append(tokens, "?")
	case last && is(OK) && got.token != "" && !slices.Contains(tokens, got.token):
		tokens = append(tokens, got.token)
	case last:
		return false, s
	case !r.grace:
		s.revoked = true
		return is(refused), s
	case got == nil:
		return true, s
	case is(OK) && tokens[at+1] == "?":
		tokens[at+1] = got.token
	default:
		return is(OK) && tokens[at+1] == got.token, s
	}
	s.chain = strings.Join(tokens, " ")
	return true, s
}

var familyModel = porcupine.Model{
	Partition: byPart(func(input any) int { return input.(request).part }),
	Init:      func() any { return family{} },
	Step: func(state, input, output any) (bool, any) {
		got, _ := output.(*reply)
		return state.(family).step(input.(request), got)
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

// purse is the pairs that the clients of one family have.
type purse struct {
	mu    sync.Mutex
	pairs []pair
}

func (p *purse) add(one pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.pairs, one) {
		p.pairs = append(p.pairs, one)
	}
}

// pick is one of them, the newest most often.
func (p *purse) pick() pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.pairs)
	if rand.IntN(4) > 0 {
		return p.pairs[n-1]
	}
	return p.pairs[rand.IntN(n)]
}

// seldom is the plan in which a few calls go wrong.
func seldom(int, string) Fault { return [200]Fault{Fail, Lose, Panic}[rand.IntN(200)] }

// quarrel lets clients do all they can with one refresh family.
func quarrel(t *testing.T, h *host, plan Plan, history *History, part int, user string, grace bool) {
	h.store.Mend()
	first := h.tokens(t, user, Web)
	h.store.Break(plan)
	held := &purse{pairs: []pair{first}}
	var left atomic.Int64
	left.Store(work)
	together(clients, func(client int) {
		for n := left.Add(-1); n >= 0; n = left.Add(-1) {
			p := held.pick()
			r := request{part: part, kind: "refresh", first: first.refresh, token: p.refresh, grace: grace}
			switch rand.IntN(8) {
			case 0, 1:
				r.kind = "introspect"
			case 2, 3:
				r.kind = "API"
			case 4:
				if n < work/3 {
					r.kind = "revoke"
				}
			}
			answered, lost := history.Invoke(client, r)
			var answer *Answer
			switch r.kind {
			case "introspect":
				answer = h.Introspect(Web, p.refresh)
			case "API":
				answer = h.Call(p.access)
			case "revoke":
				answer = h.Revoke(Web, p.refresh)
			case "refresh":
				if answer = h.Refresh(Web, p.refresh); answer.Outcome() == OK {
					held.add(pairOf(answer))
				}
			}
			switch outcome := answer.Outcome(); {
			case outcome != Cut && answer.Status < 500:
				answered(&reply{outcome, answer.Refresh()})
			case r.kind == "refresh" || r.kind == "revoke":
				lost()
			}
		}
	})
}

// What clients see of one refresh family is as if one request came after the other.
func TestLinearizable_HTTP(t *testing.T) {
	for _, b := range backends {
		for _, grace := range []bool{true, false} {
			t.Run(fmt.Sprint(b.name, "/grace ", grace), func(t *testing.T) {
				t.Parallel()
				h := newHost(t, b.open(t), func(c *authz.Config) {
					if !grace {
						noGrace(c)
					}
				})
				h.store.Slow(200 * time.Microsecond)
				for round := range rounds(2, 50) {
					history := &History{}
					for part := range users {
						quarrel(t, h, seldom, history, part, fmt.Sprint(round, " ", part), grace)
					}
					if check(t, familyModel, history) != porcupine.Ok {
						t.Fatalf("history %d is not linearizable", round)
					}
				}
			})
		}
	}
}

// A server on a store that acknowledges the end of a grant before it has happened is found
// out.
func TestLinearizable_HTTP_bites(t *testing.T) {
	early := &mutant{Store: openMemory(t), commit: func(ctx context.Context, inner storage.Store, w storage.Write) error {
		if len(w.Revoke) == 0 {
			return inner.Commit(ctx, w)
		}
		time.AfterFunc(5*time.Millisecond, func() { inner.Commit(context.Background(), w) })
		return nil
	}}
	h := newHost(t, early)
	for round := range 100 {
		history := &History{}
		quarrel(t, h, nil, history, 0, userOf(round), true)
		if check(t, familyModel, history) == porcupine.Illegal {
			return
		}
	}
	t.Error("100 histories of a broken server, and the checker is content with each")
}
