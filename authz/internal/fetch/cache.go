package fetch

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Cache keeps what documents say, as long as they allow within bounds. Several callers who
// want the same one at once share one fetch, which goes on when one of them gives up.
type Cache[T any] struct {
	// Fetcher gets the documents, of up to MaxBytes each. Parse makes of one what is kept;
	// what it refuses counts as a failure.
	Fetcher  *Fetcher
	Kind     Kind
	MaxBytes int64
	Parse    func(address string, body []byte) (T, error)

	// MinFresh and MaxFresh bound how long a document is kept, whatever it says; Default is
	// for one that says nothing. FailedFor is how long a failure is.
	MinFresh, MaxFresh, Default, FailedFor time.Duration

	// Entries bounds how many are kept.
	Entries int

	// Now tells the time.
	Now func() time.Time

	mu      sync.Mutex
	entries map[string]entry[T]
	flights singleflight.Group
}

type entry[T any] struct {
	value     T
	err       error
	fetchedAt time.Time
	until     time.Time
}

// Get is the document, from memory if it is fresh. A failure to fetch it again does not
// spoil what is still fresh.
func (c *Cache[T]) Get(ctx context.Context, address string) (T, error) {
	if e, kept := c.find(address); kept && c.Now().Before(e.until) {
		return e.value, e.err
	}
	return c.fetch(ctx, address)
}

// Fresh reports whether Get has what it answers in memory.
func (c *Cache[T]) Fresh(address string) bool {
	e, kept := c.find(address)
	return kept && c.Now().Before(e.until)
}

// Refetch is the document as it is now, unless it was fetched less than pause ago: then it
// is what was found there. It is for whoever misses something in the one that is kept.
func (c *Cache[T]) Refetch(ctx context.Context, address string, pause time.Duration) (T, error) {
	if e, kept := c.find(address); kept && c.Now().Sub(e.fetchedAt).Abs() < pause {
		return e.value, e.err
	}
	return c.fetch(ctx, address)
}

func (c *Cache[T]) find(address string) (entry[T], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, kept := c.entries[address]
	return e, kept
}

func (c *Cache[T]) fetch(ctx context.Context, address string) (T, error) {
	flight := c.flights.DoChan(address, func() (any, error) {
		return c.fetchOnce(context.WithoutCancel(ctx), address), nil
	})
	select {
	case done := <-flight:
		e := done.Val.(entry[T])
		return e.value, e.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (c *Cache[T]) fetchOnce(ctx context.Context, address string) entry[T] {
	target, _, _ := strings.Cut(address, "#") // which names what is there, and is not sent
	document, err := c.Fetcher.Get(ctx, c.Kind, target, c.MaxBytes)
	now := c.Now()
	e := entry[T]{fetchedAt: now, until: now.Add(c.FailedFor)}
	if err == nil {
		e.value, err = c.Parse(address, document.Body)
	}
	if e.err = err; err == nil {
		fresh := document.FreshFor
		if fresh < 0 {
			fresh = c.Default
		}
		e.until = now.Add(min(max(fresh, c.MinFresh), c.MaxFresh))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]entry[T]{}
	}
	kept, known := c.entries[address]
	if !known && len(c.entries) >= c.Entries {
		c.makeRoom(now)
	}
	if e.err != nil && known && kept.err == nil && now.Before(kept.until) {
		kept.fetchedAt = now
		c.entries[address] = kept
		return e
	}
	c.entries[address] = e
	return e
}

// makeRoom drops what is not fresh, and any one if nothing is: it can be fetched again.
func (c *Cache[T]) makeRoom(now time.Time) {
	for address, e := range c.entries {
		if !now.Before(e.until) {
			delete(c.entries, address)
		}
	}
	for address := range c.entries {
		if len(c.entries) < c.Entries {
			return
		}
		delete(c.entries, address)
	}
}
