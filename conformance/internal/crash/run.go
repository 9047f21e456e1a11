package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// run is one run of the driver.
type run struct {
	options Options
	ctx     context.Context
	began   time.Time

	found   *findings
	journal *journal
	site    *site
	gate    *gate
	book    *book
	backend backend

	servers  []*process
	launched int
	kills    int
	points   int // kills that came at a named point
	cycles   int

	rotations int // that were due

	workers  []*worker
	working  sync.WaitGroup
	stopping atomic.Bool

	offset atomic.Int64 // how far the servers' clock is ahead
	leaps  atomic.Int64 // counts the beginnings and the ends of its leaps
	kids   map[string]bool
}

// now is the time by the servers' clock.
func (r *run) now() time.Time { return time.Now().Add(time.Duration(r.offset.Load())) }

// Run kills, and counts what that broke. An error means that the run itself did not
// work, and the counts mean nothing.
func Run(ctx context.Context, options Options) (Counts, error) {
	options, err := options.check()
	if err != nil {
		return Counts{}, err
	}
	r := &run{
		options: options, ctx: ctx, began: time.Now(),
		found: newFindings(options.Out), site: newSite(), gate: newGate(), book: newBook(),
		kids: map[string]bool{},
	}
	if err := os.MkdirAll(options.Folder, 0o700); err != nil {
		return Counts{}, err
	}
	if r.journal, err = openJournal(filepath.Join(options.Folder, "journal")); err != nil {
		return Counts{}, err
	}
	defer r.journal.close()
	defer r.killServers()
	switch options.Backend {
	case "bolt":
		r.backend = newBoltBackend(options.Folder)
	default:
		if r.backend, err = newPostgresBackend(ctx); err != nil {
			return Counts{}, err
		}
	}
	defer func() { _ = r.backend.close() }() // what is left is in a temporary folder
	r.hire()
	r.all()
	r.gate.end()
	return r.found.counts(r.kills), r.found.err()
}

// hire lets the workers begin; the gate is closed.
func (r *run) hire() {
	for i := range r.options.Clients {
		w := &worker{run: r, name: fmt.Sprint(i), random: rand.New(rand.NewPCG(r.options.Seed, uint64(i)+1))}
		r.workers = append(r.workers, w)
		r.working.Go(w.work)
	}
}

// all is the whole run, or as much of it as works.
func (r *run) all() {
	said := time.Now()
	random := rand.New(rand.NewPCG(r.options.Seed, 0))
	for i, p := range plans(r.options.Kills, random, r.backend.replicas() > 1) {
		if !r.goesOn(r.cycle(p)) {
			return
		}
		if time.Since(said) > 5*time.Second || i == r.options.Kills-1 {
			r.say()
			said = time.Now()
		}
		if i%25 == 24 && !r.goesOn(r.check()) {
			return
		}
	}
	for i := range r.options.Failovers {
		if !r.goesOn(r.failover(300*time.Millisecond + time.Duration(random.Int64N(int64(700*time.Millisecond))))) {
			return
		}
		fmt.Fprintf(r.options.Out, "failover %d of %d\n", i+1, r.options.Failovers)
		r.say()
	}
	r.goesOn(r.finish())
}

// goesOn tells whether there is any sense in going on.
func (r *run) goesOn(err error) bool {
	r.found.cannot(err)
	r.found.cannot(r.ctx.Err())
	return r.found.err() == nil
}

func (r *run) say() {
	c := r.found.counts(r.kills)
	fmt.Fprintf(r.options.Out, "%4.0f s: %s; %d at named points, %d rotations, %d answers read, %s of data\n",
		time.Since(r.began).Seconds(), c, r.points, r.rotations, r.found.answersRead(), r.backend.size())
}

// fill lets the load go on undisturbed until it has come as far as it should have by the
// next kill.
func (r *run) fill() {
	all := max(1, r.options.Kills+r.options.Failovers)
	share := r.options.Acknowledged * min(r.kills+1, all) / all
	if r.found.counts(0).Acknowledged >= share {
		return
	}
	r.gate.set(true)
	defer r.gate.set(false)
	for r.found.counts(0).Acknowledged < share && r.goesOn(nil) {
		time.Sleep(5 * time.Millisecond)
	}
}

// finish lets every worker come to the end of its step, and looks at everything.
func (r *run) finish() error {
	if err := r.startMissing(Point{}); err != nil {
		return err
	}
	r.fill() // if the last kill was of a server that had no load
	r.stopping.Store(true)
	r.gate.set(true)
	r.working.Wait()
	r.gate.set(false)
	if err := r.found.err(); err != nil {
		return err
	}
	fmt.Fprintln(r.options.Out, "looking at everything")
	r.auditLive(true)
	r.killServers()
	if err := r.auditStore(true); err != nil {
		return err
	}
	return r.check()
}

// auditStore looks into the store.
func (r *run) auditStore(everything bool) error {
	if err := r.journal.sync(); err != nil {
		return err
	}
	store, err := r.backend.open(r.ctx)
	if err != nil {
		return fmt.Errorf("opening the store for the audit: %w", err)
	}
	defer store.Close()
	for _, s := range r.servers {
		if err := r.book.copyFrom(s.page); err != nil {
			return err
		}
	}
	a := &auditor{ctx: r.ctx, store: store, now: r.now(), found: r.found, book: r.book}
	a.audit(everything)
	if everything {
		fmt.Fprintf(r.options.Out, "looked for %d changes; %d times for a record that has been swept\n", len(r.book.changes), a.swept.Load())
	}
	return nil
}

// check has the backend check itself.
func (r *run) check() error {
	if err := r.backend.check(r.ctx); err != nil {
		r.found.found(orphaned, "the data", "%v", err)
	}
	return r.ctx.Err()
}
