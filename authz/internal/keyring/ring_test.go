package keyring_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

const issuer = "https://issuer.example"

// clock is a clock of one replica.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func config(store storage.Keys, c *clock) keyring.Config {
	return keyring.Config{Store: store, Issuer: issuer, Algorithms: []string{"ES256"}, Rotation: 90 * 24 * time.Hour, Outlive: 24 * time.Hour, Now: c.now}
}

func open(t testing.TB, c keyring.Config) *keyring.Ring {
	t.Helper()
	r, err := keyring.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func stored(t *testing.T, s storage.Keys) []storage.Key {
	t.Helper()
	ring, err := s.Keys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return ring.Keys
}

func sign(t *testing.T, r *keyring.Ring) string {
	t.Helper()
	token, err := r.Sign(t.Context(), "ES256", "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func verifies(r *keyring.Ring, token string) bool {
	_, err := r.Verify(context.Background(), token, "at+jwt")
	return err == nil
}

// The first start makes a key of each kind, good at once, and tells the host.
func TestFirstStart(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	conf := config(store, c)
	conf.Algorithms = []string{"ES256", "EdDSA", "PS256", "RS256"}
	var made []string
	conf.Rotated = func(_ context.Context, algorithm, id string) { made = append(made, algorithm+" "+id) }
	r := open(t, conf)
	var want, algorithms []string
	for _, k := range stored(t, store) {
		want = append(want, k.Algorithm+" "+k.ID)
		algorithms = append(algorithms, k.Algorithm)
		if !k.CreatedAt.Equal(epoch) || !k.ActiveAt.Equal(epoch) || !k.RetiredAt.IsZero() || !k.ExpiresAt.IsZero() || k.Sealed || len(k.Material) == 0 {
			t.Errorf("key %+v", k)
		}
	}
	if !slices.Equal(algorithms, []string{"secret", "ES256", "EdDSA", "PS256", "RS256"}) || !slices.Equal(made, want) {
		t.Errorf("stored %q, told %q", want, made)
	}
	set, err := r.Public(t.Context())
	if err != nil || len(set.Keys) != 4 {
		t.Errorf("%d keys published, %v", len(set.Keys), err)
	}
	// The second start makes none.
	made = nil
	open(t, conf)
	if len(made) != 0 {
		t.Errorf("a restart made %q", made)
	}
}

// The four steps of a key's life, each at its instant.
func TestLife(t *testing.T) {
	const day, hour = 24 * time.Hour, time.Hour
	store, c := memory.New(), &clock{at: epoch}
	r := open(t, config(store, c))
	firstToken := sign(t, r)
	first := kid(t, firstToken)
	signing := func() []storage.Key {
		return slices.DeleteFunc(stored(t, store), func(k storage.Key) bool { return k.Algorithm == keyring.Secret })
	}
	at := func(d time.Duration) { c.mu.Lock(); c.at = epoch.Add(d); c.mu.Unlock() }

	at(89*day - 1)
	if sign(t, r); len(signing()) != 1 {
		t.Fatal("the successor came early")
	}
	at(89 * day)
	if got := kid(t, sign(t, r)); got != first {
		t.Error("the successor signs as soon as it is published")
	}
	keys := signing()
	if len(keys) != 2 || !keys[1].ActiveAt.Equal(epoch.Add(90*day)) || !keys[0].RetiredAt.Equal(keys[1].ActiveAt) || !keys[0].ExpiresAt.Equal(epoch.Add(91*day+hour)) {
		t.Fatalf("keys %+v", keys)
	}
	at(90*day - 1)
	late := sign(t, r)
	if kid(t, late) != first {
		t.Error("the successor signs too early")
	}
	at(90 * day)
	if kid(t, sign(t, r)) != keys[1].ID {
		t.Error("the successor does not sign when it should")
	}
	at(91*day - 1)
	if !verifies(r, late) {
		t.Error("the last token of the retired key does not live its day")
	}
	at(91*day + hour - 1)
	if set, _ := r.Public(t.Context()); len(set.Keys) != 2 {
		t.Errorf("%d keys are published", len(set.Keys))
	}
	at(91*day + hour)
	if set, _ := r.Public(t.Context()); len(set.Keys) != 1 || verifies(r, late) || len(signing()) != 1 {
		t.Errorf("the retired key is still there: %d published, %d stored", len(set.Keys), len(signing()))
	}
}

// A server that slept for a year wakes up without a gap: the old key signs until the
// new one has been published for long enough.
func TestSleep(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	r := open(t, config(store, c))
	old := kid(t, sign(t, r))
	c.advance(365 * 24 * time.Hour)
	if got := kid(t, sign(t, r)); got != old {
		t.Error("signs with a key that nobody can have seen")
	}
	c.advance(24 * time.Hour)
	if got := kid(t, sign(t, r)); got == old {
		t.Error("the old key signs for ever")
	}
}

// Two processes that start or rotate at the same moment end up with the same keys.
func TestConflict(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	for _, wait := range []time.Duration{0, 90 * 24 * time.Hour, 90 * 24 * time.Hour} {
		c.advance(wait)
		rings := make([]*keyring.Ring, 16)
		var wg sync.WaitGroup
		for i := range rings {
			wg.Go(func() {
				r, err := keyring.Open(context.Background(), config(store, c))
				if err != nil {
					t.Error(err)
					return
				}
				rings[i] = r
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		for _, r := range rings {
			token := sign(t, r)
			for _, other := range rings {
				if !verifies(other, token) {
					t.Fatal("two rings on one store do not know each other's keys")
				}
			}
		}
	}
	if n := len(stored(t, store)); n > 4 {
		t.Errorf("%d keys: some were made twice", n)
	}
}

// swapping answers swaps with an error, a number of times.
type swapping struct {
	storage.Store
	err   error
	times int
	after bool // the swap has happened all the same
}

func (s *swapping) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	if s.times == 0 {
		return s.Store.SwapKeys(ctx, ring)
	}
	s.times--
	if s.after {
		if err := s.Store.SwapKeys(ctx, ring); err != nil {
			return err
		}
	}
	return s.err
}

func TestSwapFails(t *testing.T) {
	down := errors.New("the store is down")
	for name, test := range map[string]struct {
		err   error
		times int
		after bool
		want  error
		keys  int
	}{
		"conflict, then not":     {storage.ErrConflict, 7, false, nil, 2},
		"conflict for ever":      {storage.ErrConflict, 100, false, errors.New("keep changing"), 0},
		"store down":             {down, 1, false, down, 0},
		"the answer is lost":     {down, 1, true, down, 2},
		"lost to somebody equal": {storage.ErrConflict, 1, true, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{at: epoch}
			store := &swapping{memory.New(), test.err, test.times, test.after}
			told := 0
			conf := config(store, c)
			conf.Rotated = func(context.Context, string, string) { told++ }
			_, err := keyring.Open(t.Context(), conf)
			if (err == nil) != (test.want == nil) || err != nil && !errors.Is(err, test.want) && !strings.Contains(err.Error(), test.want.Error()) {
				t.Errorf("Open: %v, want %v", err, test.want)
			}
			if n := len(stored(t, store)); n != test.keys {
				t.Errorf("%d keys are stored", n)
			}
			if err != nil && told > 0 {
				t.Error("told of keys that may not be there")
			}
			store.times = 0
			sign(t, open(t, conf))
			if n := len(stored(t, store)); n != 2 {
				t.Errorf("%d keys are stored after another try", n)
			}
		})
	}
}

// A store that is away while a step is due: the old key goes on, for as long as it is
// safe, and no longer.
func TestOutageWhileAStepIsDue(t *testing.T) {
	store, c := &failing{Store: memory.New()}, &clock{at: epoch}
	conf := config(store, c)
	r := open(t, conf)
	old := kid(t, sign(t, r))
	c.advance(89*24*time.Hour - time.Second)
	sign(t, r)
	store.down = true
	c.advance(29 * time.Minute)
	if got := kid(t, sign(t, r)); got != old {
		t.Error("signs with another key")
	}
	c.advance(2 * time.Minute)
	if _, err := r.Sign(t.Context(), "ES256", "at+jwt", nil); err == nil {
		t.Error("signs although nobody has read the ring for half an hour")
	}
	if _, err := r.Public(t.Context()); err == nil {
		t.Error("publishes although nobody has read the ring for half an hour")
	}
	store.down = false
	if got := kid(t, sign(t, r)); got != old {
		t.Error("signs with a key that was published a moment ago")
	}
}

// One reader at a time asks a slow store; the others go on with what they hold, and
// nobody waits longer than its own request.
func TestSlowStore(t *testing.T) {
	c := &clock{at: epoch}
	store := &stuck{Store: memory.New(), entered: make(chan struct{}), release: make(chan struct{})}
	r := open(t, config(store, c))
	c.advance(2 * time.Minute)
	store.on.Store(true)
	go r.Sign(context.Background(), "ES256", "at+jwt", nil)
	<-store.entered
	for range 100 {
		sign(t, r)
	}
	c.advance(2 * time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Sign(ctx, "ES256", "at+jwt", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a stuck store: %v", err)
	}
	store.on.Store(false)
	close(store.release)
	sign(t, r)
}

// A clock that was set back does not stop the server, nor does it make keys.
func TestClockSetBack(t *testing.T) {
	for _, back := range []time.Duration{time.Second, time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		store, c := memory.New(), &clock{at: epoch}
		r := open(t, config(store, c))
		c.advance(100 * 24 * time.Hour)
		token := sign(t, r)
		c.advance(24 * time.Hour)
		sign(t, r)
		n := len(stored(t, store))
		c.advance(-back)
		if again := sign(t, r); !verifies(r, token) || !verifies(r, again) {
			t.Errorf("%v back: a token does not verify", back)
		}
		if got := len(stored(t, store)); got != n {
			t.Errorf("%v back: %d keys, before %d", back, got, n)
		}
		sign(t, open(t, config(store, c)))
	}
}

// A store belongs to one issuer.
func TestIssuer(t *testing.T) {
	store, c := memory.New(), &clock{at: epoch}
	old := open(t, config(store, c))
	token := sign(t, old)
	conf := config(store, c)
	conf.Issuer = "https://other.example"
	if _, err := keyring.Open(t.Context(), conf); err == nil || !strings.Contains(err.Error(), issuer) || !strings.Contains(err.Error(), "FormerIssuers") {
		t.Errorf("Open: %v", err)
	}
	conf.FormerIssuers = []string{"https://older.example", issuer}
	moved := open(t, conf)
	if !verifies(moved, token) {
		t.Error("the keys did not move along")
	}
	c.advance(2 * time.Hour)
	if _, err := old.Sign(t.Context(), "ES256", "at+jwt", nil); err == nil {
		t.Error("the server under the old name goes on")
	}
}
