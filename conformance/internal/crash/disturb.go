package crash

import (
	"context"
	"fmt"
	"time"
)

// aftermath is how long the load goes on when others are left to serve it.
const aftermath = 300 * time.Millisecond

// database is a backend that can be disturbed by itself.
type database interface {
	backend

	// cut ends connections of servers, and crash ends the database with SIGKILL and starts
	// it again.
	cut(ctx context.Context) error
	crash(ctx context.Context) error

	// newPair gives the database a synchronous standby, and takeOver has it replace the
	// primary, which is killed.
	newPair(ctx context.Context) error
	takeOver(ctx context.Context) error
}

// disturb is what happens to the servers while they are under load.
func (r *run) disturb(p plan) error {
	if d, ok := r.backend.(database); ok {
		defer func() { time.Sleep(aftermath) }()
		switch {
		case p.cut:
			time.Sleep(p.after)
			return d.cut(r.ctx)
		case p.database:
			time.Sleep(p.after)
			return d.crash(r.ctx)
		}
	}
	victim := r.servers[len(r.servers)-1] // the one with the point, if there is one
	if p.leaping {
		return r.leapUnderLoad(victim)
	}
	if p.point.Nth == 0 {
		time.Sleep(p.after)
		victim = r.servers[p.victim%uint64(len(r.servers))]
		victim.kill()
		return nil
	}
	select {
	case <-victim.ended:
		r.points++
	case <-time.After(untilPoint):
		victim.kill()
	}
	return nil
}

// leapUnderLoad has the keys rotate. Servers that share a database are told the new time
// while the load stands still: their clocks may differ by a little, but not by a leap.
func (r *run) leapUnderLoad(victim *process) error {
	time.Sleep(200 * time.Millisecond)
	if len(r.servers) > 1 {
		r.gate.set(false)
		defer r.gate.set(true)
	}
	if err := r.leap(func() error { return r.setClock(victim) }); err != nil {
		return err
	}
	if victim.gone() {
		r.points++
	} else {
		r.journal.note("the keys of server %s have taken their step", victim.page.name)
		if err := r.journal.sync(); err != nil {
			return err
		}
		r.found.wrote()
		victim.kill()
	}
	return r.tell()
}

// failover kills the database for good; its standby takes over, and the servers find it
// by themselves.
func (r *run) failover(after time.Duration) error {
	d, ok := r.backend.(database)
	if !ok {
		return fmt.Errorf("%s has no standby", r.options.Backend)
	}
	if err := d.newPair(r.ctx); err != nil {
		return err
	}
	r.killServers() // they know the address of the old standby
	if err := r.pass(downtime); err != nil {
		return err
	}
	if err := r.startMissing(Point{}); err != nil {
		return err
	}
	r.auditLive(false)
	r.fill()
	r.gate.set(true)
	time.Sleep(after)
	err := d.takeOver(r.ctx)
	time.Sleep(3 * aftermath)
	r.gate.set(false)
	if err != nil {
		return err
	}
	if err := r.faults(); err != nil {
		return err
	}
	r.kills++
	// Asked before the store is looked into: they serve without being started again.
	r.auditLive(false)
	return r.auditStore(false)
}
