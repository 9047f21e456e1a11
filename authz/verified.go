package authz

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/storage"
)

// verified remembers what the signatures of access tokens have said, because a client
// shows the same token many times and checking a signature costs more than all the rest.
// Whether the key that signed it still counts is found out every time, and so is whether
// the token is still good (its life, its revocation, its grant, its client), unless the
// store can tell that nothing has been taken back meanwhile.
type verified struct {
	mu    sync.RWMutex
	young map[[sha256.Size]byte]*signed
	old   map[[sha256.Size]byte]*signed
}

// maxVerified is how many tokens each of the two halves holds. Together they take some
// 10 MB.
const maxVerified = 4096

// signed is what a signed access token says, which never changes.
type signed struct {
	token  resource.Token
	keyID  string
	digest storage.Digest // of the mark that it was revoked

	good atomic.Pointer[verdict] // nil if nothing is remembered
}

// verdict is that a token was good when it was last looked up. It counts in its epoch
// (storage.Epochs), which was read before the look-ups, and before anything expires that
// they found. That a token is not good, or that nobody could tell, is never remembered.
type verdict struct {
	epoch uint64
	until time.Time
}

func (s *signed) goodAt(now time.Time, in epoch) bool {
	v := s.good.Load()
	return in.known && v != nil && v.epoch == in.number && now.Before(v.until)
}

func newVerified() *verified {
	return &verified{young: make(map[[sha256.Size]byte]*signed)}
}

// find returns what the token said; nil if it has not been seen lately.
func (v *verified) find(sum [sha256.Size]byte) *signed {
	v.mu.RLock()
	s, ok := v.young[sum]
	if !ok {
		s = v.old[sum]
	}
	v.mu.RUnlock()
	if s != nil && !ok {
		v.add(sum, s) // it is still in use
	}
	return s
}

func (v *verified) add(sum [sha256.Size]byte, s *signed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.young) >= maxVerified {
		v.old, v.young = v.young, make(map[[sha256.Size]byte]*signed)
	}
	v.young[sum] = s
}
