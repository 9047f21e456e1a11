package main_test

import (
	"context"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// lazy acknowledges authorizations and revocations at once, and writes them to the file a
// little later, as a store does that does not wait for its disk. Whoever reads sees them,
// so nobody notices until it is killed.
type lazy struct {
	*bolt.DB

	mu     sync.RWMutex // held while writing down what waits
	queue  sync.Mutex
	queued []storage.Write
}

func newLazy(db *bolt.DB) storage.Store {
	s := &lazy{DB: db}
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			s.catchUp()
		}
	}()
	return s
}

// catchUp writes down what waits.
func (s *lazy) catchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.Lock()
	waiting := s.queued
	s.queued = nil
	s.queue.Unlock()
	for _, w := range waiting {
		if err := s.DB.Commit(context.Background(), w); err != nil {
			panic(err)
		}
	}
}

// upToDate waits until nothing waits that has been acknowledged before.
func (s *lazy) upToDate() {
	for {
		s.mu.RLock() // what was taken from the queue is in the file
		s.queue.Lock()
		n := len(s.queued)
		s.queue.Unlock()
		s.mu.RUnlock()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *lazy) Commit(ctx context.Context, w storage.Write) error {
	// What has conditions that may not hold is judged at once.
	if len(w.Codes) > 1 || len(w.Grants)+len(w.Revoke) == 0 {
		s.upToDate()
		return s.DB.Commit(ctx, w)
	}
	s.queue.Lock()
	defer s.queue.Unlock()
	s.queued = append(s.queued, w)
	return nil
}

func (s *lazy) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	s.upToDate()
	return s.DB.Code(ctx, d)
}

func (s *lazy) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	s.upToDate()
	return s.DB.Token(ctx, d)
}

func (s *lazy) Grant(ctx context.Context, id string) (*storage.Grant, error) {
	s.upToDate()
	return s.DB.Grant(ctx, id)
}

func (s *lazy) Consent(ctx context.Context, subject, client string) (*storage.Consent, error) {
	s.upToDate()
	return s.DB.Consent(ctx, subject, client)
}

func (s *lazy) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	s.upToDate()
	return s.DB.ListGrants(ctx, subject, after, limit)
}

func (s *lazy) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	s.upToDate()
	return s.DB.ListNotices(ctx, before, limit)
}

func (s *lazy) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	s.upToDate()
	return s.DB.ListConsents(ctx, subject, after, limit)
}
