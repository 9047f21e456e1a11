package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/storagetest"
)

func TestJoinOfOne(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{Open: func(testing.TB) storage.Store {
		s := memory.New()
		return storage.Join(s, s, s, s)
	}})
}

func TestJoinWithForeignClientsAndKeys(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{Open: func(testing.TB) storage.Store {
		clients, rest, keys := memory.New(), memory.New(), memory.New()
		return storage.Join(clients, rest, rest, keys)
	}})
}

func TestJoinWithForeignCodes(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{Split: true, Open: func(testing.TB) storage.Store {
		codes, rest := memory.New(), memory.New()
		return storage.Join(rest, codes, rest, rest)
	}})
}

// noted is a part that writes down what it is given to commit.
type noted struct {
	storage.Store
	log    *[]string
	name   string
	fail   error
	closed int
}

func (n *noted) Commit(ctx context.Context, w storage.Write) error {
	switch {
	case len(w.ConsumeCodes)+len(w.Codes) > 0 && len(w.ConsumeTokens)+len(w.Live)+len(w.Grants)+len(w.Tokens)+len(w.Consents)+len(w.Revoke) > 0:
		*n.log = append(*n.log, n.name+" both")
	case len(w.ConsumeCodes)+len(w.Codes) > 0:
		*n.log = append(*n.log, n.name+" codes")
	case len(w.Tokens) > 0:
		*n.log = append(*n.log, n.name+" tokens")
	default:
		*n.log = append(*n.log, n.name+" live")
	}
	if n.fail != nil {
		return n.fail
	}
	return n.Store.Commit(ctx, w)
}

func (n *noted) Close() error {
	n.closed++
	return n.fail
}

func TestJoinSplitsAWrite(t *testing.T) {
	now := time.Now()
	expires := now.Add(time.Hour)
	d := storage.NewDigest(expires, "code")
	grant := storage.Grant{ID: storage.NewGrantID(expires), Subject: "alice", ExpiresAt: expires}
	broken := errors.New("broken")
	write := storage.Write{
		At: now, ConsumeCodes: []storage.Digest{d}, Live: []string{grant.ID},
		Tokens: []storage.Token{{Digest: d, ExpiresAt: expires}},
	}
	for _, c := range []struct {
		name  string
		setUp func(s storage.Store, codes, tokens *noted)
		want  error
		log   []string
		used  bool
	}{
		{"consumes first, then issues", nil, nil, []string{"tokens live", "codes codes", "tokens tokens"}, true},
		{"a dead grant does not burn the code", func(s storage.Store, _, _ *noted) {
			if err := s.Commit(context.Background(), storage.Write{At: now, Revoke: []storage.Revocation{{GrantID: grant.ID}}}); err != nil {
				t.Fatal(err)
			}
		}, storage.ErrRevoked, []string{"tokens live"}, false},
		{"codes cannot tell", func(_ storage.Store, codes, _ *noted) { codes.fail = broken },
			broken, []string{"tokens live", "codes codes"}, false},
		{"a used code issues nothing", func(s storage.Store, _, _ *noted) {
			if err := s.Commit(context.Background(), storage.Write{At: now, ConsumeCodes: []storage.Digest{d}}); err != nil {
				t.Fatal(err)
			}
		}, storage.ErrConsumed, []string{"tokens live", "codes codes"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log []string
			codes := &noted{Store: memory.New(), log: &log, name: "codes"}
			tokens := &noted{Store: memory.New(), log: &log, name: "tokens"}
			s := storage.Join(tokens, codes, tokens, tokens)
			err := s.Commit(t.Context(), storage.Write{At: now, Codes: []storage.Code{{Digest: d, ExpiresAt: expires}}, Grants: []storage.Grant{grant}})
			if err != nil {
				t.Fatal(err)
			}
			if c.setUp != nil {
				c.setUp(s, codes, tokens)
			}
			log = nil
			if err := s.Commit(t.Context(), write); !errors.Is(err, c.want) {
				t.Errorf("Commit: got %v, want %v", err, c.want)
			}
			if !slices.Equal(log, c.log) {
				t.Errorf("commits: got %q, want %q", log, c.log)
			}
			code, err := s.Code(t.Context(), d)
			if err != nil || code.ConsumedAt.IsZero() == c.used {
				t.Errorf("the code: got %+v, %v, want used %v", code, err, c.used)
			}
			if _, err := s.Token(t.Context(), d); (err == nil) != (c.want == nil) {
				t.Errorf("the token: got %v after %v", err, c.want)
			}
		})
	}
}

func TestJoinClosesEachPartOnce(t *testing.T) {
	var log []string
	a := &noted{Store: memory.New(), log: &log}
	b := &noted{Store: memory.New(), log: &log, fail: errors.New("stuck")}
	readOnly := storage.ClientsFunc(func(context.Context, string) (*storage.Client, error) { return nil, storage.ErrNotFound })
	s := storage.Join(readOnly, a, b, a)
	if err := s.Close(); !errors.Is(err, b.fail) {
		t.Errorf("Close: got %v, want what the part said", err)
	}
	if a.closed != 1 || b.closed != 1 {
		t.Errorf("closed %d and %d times, want once", a.closed, b.closed)
	}
}

func TestClientsFunc(t *testing.T) {
	ctx := t.Context()
	f := storage.ClientsFunc(func(_ context.Context, id string) (*storage.Client, error) {
		if id != "app" {
			return nil, storage.ErrNotFound
		}
		return &storage.Client{ID: id}, nil
	})
	if c, err := f.Client(ctx, "app"); err != nil || c.ID != "app" {
		t.Errorf("Client: got %v, %v", c, err)
	}
	if _, err := f.Client(ctx, "other"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Client: got %v, want ErrNotFound", err)
	}
	_, err := f.ListClients(ctx, "", 1)
	for _, err := range []error{err, f.PutClient(ctx, storage.Client{}), f.DeleteClient(ctx, "app")} {
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("got %v, want ErrReadOnly", err)
		}
	}
}

// timeless is a part that cannot tell its epoch.
type timeless struct{ storage.Store }

// The whole has an epoch if all parts do, and it grows with each of them.
func TestJoinEpochs(t *testing.T) {
	a, b := memory.New(), memory.New()
	s := storage.Join(a, b, b, a)
	epoch := func() uint64 {
		t.Helper()
		n, known := s.(storage.Epochs).Epoch(s)
		if !known {
			t.Fatal("the epoch is not known")
		}
		return n
	}
	for name, change := range map[string]func() error{
		"one part":  func() error { return a.PutClient(t.Context(), storage.Client{ID: "app"}) },
		"the other": func() error { return b.PutClient(t.Context(), storage.Client{ID: "app"}) },
	} {
		before := epoch()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if after := epoch(); after <= before {
			t.Errorf("%s: the epoch was %d and is %d", name, before, after)
		}
	}
	for i := range 4 {
		parts := []storage.Store{a, a, a, a}
		parts[i] = timeless{b}
		s := storage.Join(parts[0], parts[1], parts[2], parts[3])
		if n, known := s.(storage.Epochs).Epoch(s); known {
			t.Errorf("with one part that cannot tell the epoch is %d", n)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n, known := s.(storage.Epochs).Epoch(s); known {
		t.Errorf("with one part closed the epoch is %d", n)
	}
}
