package authz

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Limits bound what somebody can try, guess, or have us store. Zero values mean the
// defaults, a Limit with a negative Burst none.
//
// Where a request came from counts as package handlers tells it: behind a proxy all come
// from there, unless handlers.Options.TrustedProxies names it. Where it is not known,
// nothing is counted by address.
type Limits struct {
	// ClientSecrets bounds wrong client secrets: from one address for one client, and ten
	// times as many from it for all clients. Right ones cost nothing, and nobody is kept out
	// for what others tried from elsewhere; one that NewSecret made, which cannot be
	// guessed, for nothing at all. Default 10, then one in 30 s.
	ClientSecrets Limit

	// UserCodes bounds codes that a user types and that do not exist (RFC 8628 §5.1): of
	// one user, and ten times as many from one address; and wrong user codes that one client
	// sends for one user (OpenID Connect CIBA Core §7.1.2). Default 10, then one a minute.
	UserCodes Limit

	// Registrations bounds clients that register themselves (RFC 7591 §5), from one
	// address. Default 20, then one a minute.
	Registrations Limit

	// ClientDocuments bounds metadata documents of clients that could not be fetched or used
	// (Config.ClientIDMetadata), by requests from one address. Default 30, then one in 10 s.
	ClientDocuments Limit

	// ClientAssertions bounds assertions with which clients authenticate that registered
	// themselves or are named by a metadata document, from one address for one client, and
	// ten times as many from it for all of them. Default 200, then 20 a second.
	ClientAssertions Limit

	// PushedRequests bounds pushed authorization requests (RFC 9126 §7), from one address
	// for one client, and ten times as many from it for all clients. Default 200, then 20
	// a second.
	PushedRequests Limit

	// DeviceAuthorizations bounds the beginnings of the device grant (RFC 8628 §3.1) in
	// the same way. Default 30, then one in 10 s.
	DeviceAuthorizations Limit

	// BackchannelAuthentications bounds backchannel authentication requests (OpenID Connect
	// CIBA Core §7.1) in the same way. Default 200, then 20 a second.
	BackchannelAuthentications Limit

	// BackchannelPrompts bounds how often a user is asked, of one client, and ten times as many
	// of all clients together: so it bounds as well how many questions wait for a user at once,
	// for none waits longer than Lifetimes.BackchannelAuthentication. Default 5, then one a
	// minute.
	BackchannelPrompts Limit

	// UnknownUsers bounds hints that name no user (CIBA Core §13), with which a client could find
	// out who is one: from one address for one client, and ten times as many from it for all
	// clients. Default 30, then one in 10 s.
	UnknownUsers Limit

	// Limiter does the counting. Nil counts in the memory of this process, so that of
	// several replicas each counts for itself.
	Limiter Limiter
}

func (l *Limits) complete(fault func(field, format string, args ...any)) {
	for field, c := range map[string]struct {
		limit  *Limit
		normal Limit
	}{
		"ClientSecrets":        {&l.ClientSecrets, Limit{10, 30 * time.Second}},
		"UserCodes":            {&l.UserCodes, Limit{10, time.Minute}},
		"Registrations":        {&l.Registrations, Limit{20, time.Minute}},
		"ClientDocuments":      {&l.ClientDocuments, Limit{30, 10 * time.Second}},
		"ClientAssertions":     {&l.ClientAssertions, Limit{200, 50 * time.Millisecond}},
		"PushedRequests":       {&l.PushedRequests, Limit{200, 50 * time.Millisecond}},
		"DeviceAuthorizations": {&l.DeviceAuthorizations, Limit{30, 10 * time.Second}},

		"BackchannelAuthentications": {&l.BackchannelAuthentications, Limit{200, 50 * time.Millisecond}},
		"BackchannelPrompts":         {&l.BackchannelPrompts, Limit{5, time.Minute}},
		"UnknownUsers":               {&l.UnknownUsers, Limit{30, 10 * time.Second}},
	} {
		switch {
		case *c.limit == Limit{}:
			*c.limit = c.normal
		case c.limit.Burst >= 0 && (c.limit.Burst == 0 || c.limit.Every <= 0):
			fault("Limits."+field, "is %+v; set Burst and Every both above zero, or Burst below zero for no limit", *c.limit)
		}
	}
}

// addressFactor is how much more all clients, or all users, may do from one address than
// one of them: offices share one.
const addressFactor = 10

// bucket is one of those that a request counts in.
type bucket struct {
	key   LimitKey
	limit Limit
}

// buckets are those of a request: of who sent it (a client or a user, may be neither) and
// of where it came from (may be unknown).
func buckets(kind LimitKind, limit Limit, client, subject string, from netip.Addr) []bucket {
	if limit.Burst < 0 {
		return nil
	}
	var of []bucket
	place := placeOf(from)
	switch {
	case subject != "":
		of = append(of, bucket{LimitKey{Kind: kind, Subject: subject}, limit})
	case client != "" && place.IsValid():
		of = append(of, bucket{LimitKey{Kind: kind, Client: client, Address: place}, limit})
	}
	if place.IsValid() {
		if kind != LimitRegistrations && kind != LimitClientDocuments {
			limit.Burst, limit.Every = limit.Burst*addressFactor, limit.Every/addressFactor
		}
		of = append(of, bucket{LimitKey{Kind: kind, Address: place}, limit})
	}
	return of
}

// placeOf is what counts as one address.
func placeOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a = a.Unmap().WithZone(""); a.Is6() {
		bits = 64
	}
	place, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return place
}

// admit lets a request through if there is something left for it, and takes that. Of requests
// that come at once, and all find the same left, none gets through that had to go into debt.
func (s *Server) admit(ctx context.Context, of []bucket) *Error {
	if err := s.exhausted(ctx, of); err != nil {
		return err
	}
	for _, b := range of {
		// Who takes the last one leaves a bucket that is empty, for one Every at most.
		if wait := s.take(ctx, []bucket{b}, 1); wait > b.limit.Every+b.limit.Every/100 {
			return tooMany(of, wait)
		}
	}
	return nil
}

// exhausted refuses a request if nothing is left for it (RFC 6585 §4). The code is the
// one of RFC 6749 that tells to come back later; slow_down means something else (RFC 8628
// §3.5).
func (s *Server) exhausted(ctx context.Context, of []bucket) *Error {
	if wait := s.take(ctx, of, 0); wait > 0 {
		return tooMany(of, wait)
	}
	return nil
}

func tooMany(of []bucket, wait time.Duration) *Error {
	refused := failed(temporarilyUnavailable, "too_many_"+string(of[0].key.Kind), "Too many requests. Try again later.")
	refused.Status, refused.RetryAfter = http.StatusTooManyRequests, wait
	return refused
}

func (s *Server) take(ctx context.Context, of []bucket, n int) (wait time.Duration) {
	for _, b := range of {
		w, err := s.config.Limits.Limiter.Take(ctx, b.key, b.limit, n)
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "the limiter failed", slog.String("kind", string(b.key.Kind)), slog.String("cause", err.Error()))
			continue
		}
		wait = max(wait, w)
	}
	return wait
}

// secretGuesses are the buckets for wrong secrets of a client; nil stands for none that
// is known.
func (s *Server) secretGuesses(client *Client, req *Request) []bucket {
	return buckets(LimitClientSecrets, s.config.Limits.ClientSecrets, idOf(client), "", req.Address)
}

// guessable reports whether one of a client's secrets was chosen by somebody: then a right
// guess must not be told from a wrong one once there were too many.
func guessable(client *Client) bool {
	return slices.ContainsFunc(client.Secrets, func(secret storage.Secret) bool { return !strings.HasPrefix(secret.Hash, "$sha256$") })
}

// badGuess is the answer to a wrong secret or an unknown client.
func (s *Server) badGuess(ctx context.Context, client *Client, req *Request, reason string) *Error {
	if refused := s.admit(ctx, s.secretGuesses(client, req)); refused != nil {
		return refused
	}
	return badClient(reason)
}
