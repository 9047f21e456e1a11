package storagetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// calls are all methods of a Store but Close, each with arguments for which there is
// something to find in a store prepared with prepare.
func (k *kit) calls(ctx context.Context) map[string]error {
	s := k.store
	got := make(map[string]error)
	_, got["Client"] = s.Client(ctx, "app")
	_, got["ListClients"] = s.ListClients(ctx, "", 10)
	_, got["Code"] = s.Code(ctx, k.digest("a"))
	_, got["Token"] = s.Token(ctx, k.digest("a"))
	_, got["Grant"] = s.Grant(ctx, "g")
	_, got["ListGrants"] = s.ListGrants(ctx, "alice", "", 10)
	_, got["Consent"] = s.Consent(ctx, "alice", "app")
	_, got["ListConsents"] = s.ListConsents(ctx, "alice", "", 10)
	_, got["ListNotices"] = s.ListNotices(ctx, "~", 10)
	_, got["Keys"] = s.Keys(ctx)
	got["PutClient"] = s.PutClient(ctx, storage.Client{ID: "late"})
	got["DeleteClient"] = s.DeleteClient(ctx, "app")
	got["SwapKeys"] = s.SwapKeys(ctx, k.ring(2, "late"))
	got["Commit"] = s.Commit(ctx, storage.Write{At: k.now, Codes: []storage.Code{k.code("late")}})
	got["Commit of Live alone"] = s.Commit(ctx, storage.Write{At: k.now, Live: []string{"g"}})
	return got
}

func (k *kit) prepare() {
	k.Helper()
	g := k.grant("alice", "app")
	g.ID = "g"
	k.commit(storage.Write{
		Codes: []storage.Code{k.code("a")}, Tokens: []storage.Token{k.token("a")},
		Grants: []storage.Grant{g}, Consents: []storage.Consent{k.consent("alice", "app")},
	})
	k.putClient(k.client("app"))
	k.swap(k.ring(1, "a"))
}

var contextChecks = []check{
	{name: "context/cancelled_before", run: func(k *kit) {
		k.prepare()
		ctx, cancel := context.WithCancel(k.ctx)
		cancel()
		for method, err := range k.calls(ctx) {
			if !errors.Is(err, context.Canceled) {
				k.Errorf("%s with a cancelled context: got %v, want context.Canceled", method, err)
			}
		}
	}},
	{name: "context/past_its_deadline", run: func(k *kit) {
		k.prepare()
		ctx, cancel := context.WithDeadline(k.ctx, time.Now().Add(-time.Second))
		defer cancel()
		for method, err := range k.calls(ctx) {
			if !errors.Is(err, context.DeadlineExceeded) {
				k.Errorf("%s past its deadline: got %v, want context.DeadlineExceeded", method, err)
			}
		}
	}},
	{name: "context/cancelled_meanwhile", whole: true, run: func(k *kit) {
		// Some get through, some do not; no context's end harms a neighbour or
		// leaves half a Write.
		record := func(i int) (storage.Code, storage.Token) {
			return k.code(fmt.Sprint(i)), k.token(fmt.Sprint(i))
		}
		outcomes := race(func(i int) error {
			ctx := k.ctx
			if i%2 == 1 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(k.ctx, time.Duration(i)*10*time.Microsecond)
				defer cancel()
			}
			c, t := record(i)
			return k.store.Commit(ctx, storage.Write{At: k.now, Codes: []storage.Code{c}, Tokens: []storage.Token{t}})
		})
		for i, err := range outcomes {
			c, t := record(i)
			switch {
			case err == nil:
				k.wantCode(c)
				k.wantToken(t)
			case i%2 == 0 || !errors.Is(err, context.DeadlineExceeded):
				k.Fatalf("caller %d: %v", i, err)
			default:
				gotCode, cerr := k.store.Code(k.ctx, c.Digest)
				gotToken, terr := k.store.Token(k.ctx, t.Digest)
				if gone(k, gotCode, cerr) != gone(k, gotToken, terr) {
					k.Fatalf("caller %d: half of the Write is there", i)
				}
			}
		}
	}},
	{name: "close/twice", run: func(k *kit) {
		k.prepare()
		for range 3 {
			if err := k.store.Close(); err != nil {
				k.Fatalf("Close: %v", err)
			}
		}
		for method, err := range k.calls(k.ctx) {
			if !errors.Is(err, storage.ErrClosed) {
				k.Errorf("%s after Close: got %v, want ErrClosed", method, err)
			}
		}
	}},
	{name: "close/beside_writes", run: func(k *kit) {
		outcomes := race(func(i int) error {
			if i == crowd/2 {
				return k.store.Close()
			}
			return k.try(storage.Write{Codes: []storage.Code{k.code(fmt.Sprint(i))}})
		})
		for i, err := range outcomes {
			if err != nil && (i == crowd/2 || !errors.Is(err, storage.ErrClosed)) {
				k.Errorf("caller %d: got %v, want nil or ErrClosed", i, err)
			}
		}
	}},
}
