package dpop

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Replay remembers proofs, so that each is used once (RFC 9449 §11.1). authz.Server is one,
// for every resource server that shares its process; [NewMemory] makes one for a process
// elsewhere.
type Replay interface {
	// UseProof notes that a proof is used now. An *[Error] says that it was before; any
	// other error, that it could not find out.
	UseProof(ctx context.Context, p *Proof) error
}

// Together they bound a Memory to some 40 MB.
const (
	maxRemembered = 1 << 18 // in each half
	generation    = 3 * noncePeriod
)

// Memory is a [Replay] of this process alone: a proof could be used once at each replica.
// Where that matters, write one on what the replicas share. It remembers a quarter of a million proofs and more;
// beyond that, all within six minutes, it forgets the oldest before their time.
type Memory struct {
	clock func() time.Time

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]struct{}
	since      time.Time // when young was begun
}

// NewMemory is an empty one. clock tells the time; nil for time.Now.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{clock: clock, young: map[[sha256.Size]byte]struct{}{}, since: clock()}
}

// UseProof notes that a proof is used now, or returns [Replayed].
func (m *Memory) UseProof(_ context.Context, p *Proof) error {
	key := sha256.Sum256([]byte(p.JKT + "\x00" + p.ID))
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	// No proof is good for longer than a generation, so what is in neither half has
	// expired, unless there were too many.
	if now.Sub(m.since) >= generation || len(m.young) >= maxRemembered {
		m.old, m.young, m.since = m.young, map[[sha256.Size]byte]struct{}{}, now
	}
	_, young := m.young[key]
	_, old := m.old[key]
	if young || old {
		return Replayed()
	}
	m.young[key] = struct{}{}
	return nil
}
