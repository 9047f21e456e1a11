package engine_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ory/fosite"
)

// errDown is what a store says that cannot tell.
var errDown = errors.New("the store is down")

// slowStore is the storage that an embedder of fosite would write: every call takes a
// millisecond, like a database in the same rack, and records are private copies.
// fosite's own MemoryStore hands out shared maps, and kills the process when it is used
// in parallel.
type slowStore struct {
	clients map[string]fosite.Client

	// compareAndSet makes using up a code or a refresh token fail if it is used up
	// already, which is as much as storage can do about the races.
	compareAndSet bool

	mu      sync.Mutex
	codes   map[string]*rawRecord
	pkce    map[string]*rawRecord
	access  map[string]*rawRecord
	refresh map[string]*rawRecord
}

type rawRecord struct {
	*fosite.Request
	used bool
}

func newSlowStore(t testing.TB) *slowStore {
	return &slowStore{
		clients: rawClients(t),
		codes:   map[string]*rawRecord{}, pkce: map[string]*rawRecord{},
		access: map[string]*rawRecord{}, refresh: map[string]*rawRecord{},
	}
}

// parallel are options that make the store usable from many goroutines: fosite's
// getters write the two defaults into the configuration.
func (s *slowStore) parallel() rawOptions {
	return rawOptions{store: s, config: fosite.Config{
		ScopeStrategy:            fosite.ExactScopeStrategy,
		AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
	}}
}

func (s *slowStore) roundTrip() func() {
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	return s.mu.Unlock
}

// private copies a record, down to the last map.
func private(r *fosite.Request) *fosite.Request {
	c := *r
	c.Session = r.Session.Clone()
	c.Form = maps.Clone(r.Form)
	c.RequestedScope, c.GrantedScope = slices.Clone(r.RequestedScope), slices.Clone(r.GrantedScope)
	return &c
}

func put(records map[string]*rawRecord, name string, r fosite.Requester) error {
	records[name] = &rawRecord{Request: private(r.(*fosite.Request))}
	return nil
}

// get returns a used record with the error for that, because fosite needs both.
func get(records map[string]*rawRecord, name string, whenUsed error) (fosite.Requester, error) {
	switch r, ok := records[name]; {
	case !ok:
		return nil, fosite.ErrNotFound
	case r.used:
		return private(r.Request), whenUsed
	default:
		return private(r.Request), nil
	}
}

func (s *slowStore) use(records map[string]*rawRecord, name string, whenUsed error) error {
	r, ok := records[name]
	switch {
	case !ok:
		return fosite.ErrNotFound
	case r.used && s.compareAndSet:
		return whenUsed
	}
	r.used = true
	return nil
}

func (s *slowStore) GetClient(_ context.Context, id string) (fosite.Client, error) {
	if c, ok := s.clients[id]; ok {
		return c, nil
	}
	return nil, fosite.ErrNotFound
}

func (s *slowStore) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrNotFound }
func (s *slowStore) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrNotFound
}

func (s *slowStore) CreateAuthorizeCodeSession(_ context.Context, signature string, r fosite.Requester) error {
	defer s.roundTrip()()
	return put(s.codes, signature, r)
}

func (s *slowStore) GetAuthorizeCodeSession(_ context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	defer s.roundTrip()()
	return get(s.codes, signature, fosite.ErrInvalidatedAuthorizeCode)
}

func (s *slowStore) InvalidateAuthorizeCodeSession(_ context.Context, signature string) error {
	defer s.roundTrip()()
	return s.use(s.codes, signature, fosite.ErrInvalidatedAuthorizeCode)
}

func (s *slowStore) CreatePKCERequestSession(_ context.Context, signature string, r fosite.Requester) error {
	defer s.roundTrip()()
	return put(s.pkce, signature, r)
}

func (s *slowStore) GetPKCERequestSession(_ context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	defer s.roundTrip()()
	return get(s.pkce, signature, nil)
}

func (s *slowStore) DeletePKCERequestSession(_ context.Context, signature string) error {
	defer s.roundTrip()()
	delete(s.pkce, signature)
	return nil
}

func (s *slowStore) CreateAccessTokenSession(_ context.Context, signature string, r fosite.Requester) error {
	defer s.roundTrip()()
	return put(s.access, signature, r)
}

func (s *slowStore) GetAccessTokenSession(_ context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	defer s.roundTrip()()
	return get(s.access, signature, nil)
}

func (s *slowStore) DeleteAccessTokenSession(_ context.Context, signature string) error {
	defer s.roundTrip()()
	delete(s.access, signature)
	return nil
}

func (s *slowStore) CreateRefreshTokenSession(_ context.Context, signature, _ string, r fosite.Requester) error {
	defer s.roundTrip()()
	return put(s.refresh, signature, r)
}

func (s *slowStore) GetRefreshTokenSession(_ context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	defer s.roundTrip()()
	return get(s.refresh, signature, fosite.ErrInactiveToken)
}

func (s *slowStore) DeleteRefreshTokenSession(_ context.Context, signature string) error {
	defer s.roundTrip()()
	delete(s.refresh, signature)
	return nil
}

func (s *slowStore) RotateRefreshToken(_ context.Context, requestID, signature string) error {
	defer s.roundTrip()()
	if err := s.use(s.refresh, signature, fosite.ErrSerializationFailure); err != nil {
		return err
	}
	s.deleteAccess(requestID)
	return nil
}

func (s *slowStore) RevokeRefreshToken(_ context.Context, requestID string) error {
	defer s.roundTrip()()
	for _, r := range s.refresh {
		r.used = r.used || r.ID == requestID
	}
	return nil
}

func (s *slowStore) RevokeAccessToken(_ context.Context, requestID string) error {
	defer s.roundTrip()()
	s.deleteAccess(requestID)
	return nil
}

func (s *slowStore) deleteAccess(requestID string) {
	maps.DeleteFunc(s.access, func(_ string, r *rawRecord) bool { return r.ID == requestID })
}

// live counts the tokens of one family that are still good for something.
func (s *slowStore) live(requestID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, records := range []map[string]*rawRecord{s.access, s.refresh} {
		for _, r := range records {
			if r.ID == requestID && !r.used {
				n++
			}
		}
	}
	return n
}
