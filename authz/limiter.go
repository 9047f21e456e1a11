package authz

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is a token bucket: Burst at once, and one more after every Every.
type Limit struct {
	Burst int // negative: no limit
	Every time.Duration
}

// LimitKey names one bucket. Fields that do not matter for it are zero.
type LimitKey struct {
	Kind    LimitKind
	Client  string
	Subject string

	// Address is where the requests come from: one IPv4 address, or the /64 that one
	// IPv6 subscriber has (RFC 6177 §2).
	Address netip.Prefix
}

// LimitKind says what is counted.
type LimitKind string

// The kinds of [LimitKey].
const (
	LimitClientSecrets        LimitKind = "client_secrets"
	LimitUserCodes            LimitKind = "user_codes"
	LimitRegistrations        LimitKind = "registrations"
	LimitClientDocuments      LimitKind = "client_documents"
	LimitClientAssertions     LimitKind = "client_assertions"
	LimitPushedRequests       LimitKind = "pushed_requests"
	LimitDeviceAuthorizations LimitKind = "device_authorizations"

	LimitBackchannelAuthentications LimitKind = "backchannel_authentications"
	LimitBackchannelPrompts         LimitKind = "backchannel_prompts"
	LimitUnknownUsers               LimitKind = "unknown_users"
)

// Limiter keeps the buckets. The one that a server has by default counts in the memory of
// its process; one that several replicas share makes them count together. It is called from
// many goroutines at once.
type Limiter interface {
	// Take takes n from the bucket of a key, which begins full, into debt if it has to. It
	// returns how long it will be until the bucket holds one again, zero if it does now: up to
	// limit.Every for who took the last one, and longer only in debt, for which a request is
	// refused. n may be zero. An error is logged and lets the request through: a limiter that is down
	// must not lock everybody out.
	Take(ctx context.Context, key LimitKey, limit Limit, n int) (wait time.Duration, err error)
}

// memoryLimiter is a Limiter in memory. Buckets that were not used lately make room for
// others: who can have that happen sends from thousands of addresses, and has as many
// buckets anyway.
type memoryLimiter struct {
	now func() time.Time

	mu         sync.Mutex
	young, old map[LimitKey]*rate.Limiter
}

// maxBuckets is how many buckets each of the two halves holds. Together they take some
// 5 MB.
const maxBuckets = 8192

func newMemoryLimiter(now func() time.Time) *memoryLimiter {
	return &memoryLimiter{now: now, young: map[LimitKey]*rate.Limiter{}}
}

func (m *memoryLimiter) Take(_ context.Context, key LimitKey, limit Limit, n int) (time.Duration, error) {
	at := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	bucket := m.young[key]
	if bucket == nil {
		if bucket = m.old[key]; bucket == nil && n == 0 {
			return 0, nil // full, and to look at it makes no bucket
		}
		if bucket == nil {
			bucket = rate.NewLimiter(rate.Every(limit.Every), limit.Burst)
		}
		if len(m.young) >= maxBuckets {
			m.old, m.young = m.young, make(map[LimitKey]*rate.Limiter)
		}
		m.young[key] = bucket
	}
	if n > 0 {
		bucket.ReserveN(at, n) // and never given back, so that it may be a debt
	}
	missing := 1 - bucket.TokensAt(at)
	if missing <= 0 {
		return 0, nil
	}
	return time.Duration(missing * float64(limit.Every)), nil
}
