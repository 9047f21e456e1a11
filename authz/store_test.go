package authz_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// errDown is what a store says that cannot tell.
var errDown = errors.New("the store is down")

// probe is a store that can be watched, slowed down and broken.
type probe struct {
	inner   storage.Store
	latency time.Duration // of every call

	mu      sync.Mutex
	calls   []string // since the last watch
	commits int      // those that were applied
	failAt  int      // index of the call that fails; negative for none
	failAll bool
	after   bool // the failing call has its effect all the same

	// meanwhile runs once, just before the next commit: what somebody else did between
	// the look at a record and the write that relies on it.
	meanwhile func()
}

var (
	_ storage.Store  = (*probe)(nil)
	_ storage.Epochs = (*probe)(nil)
)

func newProbe(inner storage.Store) *probe { return &probe{inner: inner, failAt: -1} }

// watch forgets what was counted, and lets the call with this index fail; none if it
// is negative.
func (p *probe) watch(failAt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.commits, p.failAt, p.failAll, p.after = nil, 0, failAt, false, false
}

func (p *probe) breakDown(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failAll = broken
}

func (p *probe) seen() (calls []string, commits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls), p.commits
}

// enter notes a call. before is set if the call has to fail; after, if it has to
// fail once it has had its effect.
func (p *probe) enter(name string) (before, after error) {
	if p.latency > 0 {
		time.Sleep(p.latency)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, name)
	switch {
	case !p.failAll && len(p.calls)-1 != p.failAt:
		return nil, nil
	case p.after && !p.failAll:
		return nil, errDown
	}
	return errDown, nil
}

func read[V any](p *probe, name string, call func() (V, error)) (V, error) {
	var none V
	before, after := p.enter(name)
	if before != nil {
		return none, before
	}
	v, err := call()
	if after != nil {
		return none, after
	}
	return v, err
}

func (p *probe) write(name string, call func() error) error {
	before, after := p.enter(name)
	if before != nil {
		return before
	}
	err := call()
	if err == nil && name == "Commit" {
		p.mu.Lock()
		p.commits++
		p.mu.Unlock()
	}
	if after != nil {
		return after
	}
	return err
}

func (p *probe) Client(ctx context.Context, id string) (*storage.Client, error) {
	return read(p, "Client", func() (*storage.Client, error) { return p.inner.Client(ctx, id) })
}

func (p *probe) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	return read(p, "ListClients", func() ([]storage.Client, error) { return p.inner.ListClients(ctx, after, limit) })
}

func (p *probe) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return read(p, "Code", func() (*storage.Code, error) { return p.inner.Code(ctx, d) })
}

func (p *probe) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return read(p, "Token", func() (*storage.Token, error) { return p.inner.Token(ctx, d) })
}

func (p *probe) Grant(ctx context.Context, id string) (*storage.Grant, error) {
	return read(p, "Grant", func() (*storage.Grant, error) { return p.inner.Grant(ctx, id) })
}

func (p *probe) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	return read(p, "ListGrants", func() ([]storage.Grant, error) { return p.inner.ListGrants(ctx, subject, after, limit) })
}

func (p *probe) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	return read(p, "Consent", func() (*storage.Consent, error) { return p.inner.Consent(ctx, subject, clientID) })
}

func (p *probe) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	return read(p, "ListConsents", func() ([]storage.Consent, error) {
		return p.inner.ListConsents(ctx, subject, after, limit)
	})
}

// ListNotices is not counted: the server looks now and then, beside the requests.
func (p *probe) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	return p.inner.ListNotices(ctx, before, limit)
}

func (p *probe) Keys(ctx context.Context) (*storage.KeyRing, error) {
	return read(p, "Keys", func() (*storage.KeyRing, error) { return p.inner.Keys(ctx) })
}

func (p *probe) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	return p.write("SwapKeys", func() error { return p.inner.SwapKeys(ctx, ring) })
}

func (p *probe) PutClient(ctx context.Context, c storage.Client) error {
	return p.write("PutClient", func() error { return p.inner.PutClient(ctx, c) })
}

func (p *probe) DeleteClient(ctx context.Context, id string) error {
	return p.write("DeleteClient", func() error { return p.inner.DeleteClient(ctx, id) })
}

func (p *probe) Commit(ctx context.Context, w storage.Write) error {
	p.mu.Lock()
	do := p.meanwhile
	p.meanwhile = nil
	p.mu.Unlock()
	if do != nil {
		do()
	}
	return p.write("Commit", func() error { return p.inner.Commit(ctx, w) })
}

// Epoch is no call that could fail. A store that is down does not know it.
func (p *probe) Epoch(of any) (epoch uint64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	epoch, known = p.inner.(storage.Epochs).Epoch(p.inner)
	return epoch, known && of == any(p) && !p.failAll
}

func (p *probe) Close() error { return p.inner.Close() }

// dump is all that the store holds, as text: bytes as the characters they are.
func (s *server) dump(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("%q", reflect.ValueOf(s.store.inner).Elem())
}
