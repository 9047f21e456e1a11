package authz

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Clients that register themselves and are never used must not fill the store: they
// expire, and whoever registers clears away a few that have. Nobody is ever turned away
// because there are too many of them.

// registeredPrefix begins the client_id of a client that registered itself. What follows
// sorts by when it first expires, like the ID of a grant.
const registeredPrefix = "self_"

const (
	// sweepStep is how many clients a registration looks at. More than one for each that
	// comes, so that the sweep gets round.
	sweepStep = 8

	// sweepAfter is how long an expired client is kept: whoever found it before it expired
	// has finished with it by then.
	sweepAfter = time.Hour
)

// registrations is what the server remembers about clients that registered themselves.
type registrations struct {
	mu    sync.Mutex
	swept string // the sweep has come up to this client_id

	// changes keep what this process does to one client apart: clients are read and put
	// back whole.
	changes [64]sync.Mutex
}

var registrationSeed = maphash.MakeSeed()

// lock locks one client, and others by chance, until what it returns is called.
func (r *registrations) lock(clientID string) (unlock func()) {
	m := &r.changes[maphash.String(registrationSeed, clientID)%uint64(len(r.changes))]
	m.Lock()
	return m.Unlock
}

// sweepClients goes on from where it stopped, and deletes what has expired. It begins anew
// where clients come that cannot have expired yet: those of the last UnusedFor.
func (s *Server) sweepClients(ctx context.Context, now time.Time) {
	r := &s.registrations
	if !r.mu.TryLock() {
		return // somebody else is at it
	}
	defer r.mu.Unlock()
	if r.swept == "" {
		r.swept = registeredPrefix
	}
	clients, err := s.config.Storage.ListClients(ctx, r.swept, sweepStep)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "expired clients cannot be listed", slog.String("cause", err.Error()))
		return
	}
	for i := range clients {
		c := &clients[i]
		if !firstExpired(c.ID, now) {
			r.swept = registeredPrefix
			return
		}
		r.swept = c.ID
		if c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt.Add(sweepAfter)) {
			continue
		}
		if err := s.config.Storage.DeleteClient(ctx, c.ID); err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "an expired client cannot be deleted", slog.String("cause", err.Error()))
			return
		}
		s.emit(ctx, Event{Type: ClientDeleted, ClientID: c.ID, Reason: "expired"})
	}
	if len(clients) < sweepStep {
		r.swept = registeredPrefix
	}
}

// firstExpired reports whether a client_id is of a client that registered itself, long
// enough ago to have expired if nobody used it.
func firstExpired(clientID string, now time.Time) bool {
	stamp, ok := strings.CutPrefix(clientID, registeredPrefix)
	if !ok || len(stamp) < 12 {
		return false
	}
	var d storage.Digest
	if _, err := hex.Decode(d[:6], []byte(stamp[:12])); err != nil {
		return false
	}
	return !now.Before(d.ExpiresAt().Add(sweepAfter))
}

// usedClient lets a client live on that has just got tokens, for as long as those may be
// refreshed. It writes once in a while, not every time.
func (s *Server) usedClient(ctx context.Context, client *Client) {
	lifetime := s.refreshTokenLifetime(client)
	until := s.now().UTC().Add(lifetime)
	if client.ExpiresAt.After(until.Add(-lifetime / 16)) {
		return
	}
	defer s.registrations.lock(client.ID)()
	err := s.moveExpiry(ctx, client.ID, until)
	for range 2 {
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
		err = s.moveExpiry(ctx, client.ID, until) // another process has changed it meanwhile
	}
	if err != nil {
		// The tokens have been issued; the next time will do.
		s.log.LogAttrs(ctx, slog.LevelWarn, "the expiry of a client cannot be moved", slog.String("client_id", client.ID), slog.String("cause", err.Error()))
	}
}

// moveExpiry changes nothing else of the client, whatever the request has seen of it.
func (s *Server) moveExpiry(ctx context.Context, clientID string, until time.Time) error {
	current, err := s.config.Storage.Client(ctx, clientID)
	if err != nil || current.ExpiresAt.IsZero() || !current.ExpiresAt.Before(until) {
		return err
	}
	current = cloneClient(current)
	current.ExpiresAt = until
	return s.config.Storage.PutClient(ctx, *current)
}
