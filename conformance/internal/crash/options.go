package crash

import (
	"cmp"
	"fmt"
	"io"
)

// Options are what [Run] is told.
type Options struct {
	Backend string // "bolt" or "postgres"

	// Kills is how many there will be: of servers, and of what they stand on. Failovers
	// come after them, for PostgreSQL alone.
	Kills, Failovers int

	// Acknowledged is how many changes there have to be in the end, at least: the load goes
	// on undisturbed before each kill until it has come to its share of them. With 0 the
	// kills come as quickly as they can.
	Acknowledged int

	// Seed decides what is killed when. The load is decided by it too, as far as the
	// timing of answers leaves it to.
	Seed uint64

	// Clients is how many there are at once; 0 means 32.
	Clients int

	// Folder is where the data, the diaries and the journal go.
	Folder string

	// Out is told how it goes.
	Out io.Writer

	// Store is what the servers open, if not the Backend itself: one of those that [Serve]
	// is given. The audit looks at what the Backend finds at the same address.
	Store string
}

func (o Options) check() (Options, error) {
	o.Clients = cmp.Or(o.Clients, clientsAtOnce)
	o.Store = cmp.Or(o.Store, o.Backend)
	if o.Out == nil {
		o.Out = io.Discard
	}
	switch {
	case openers[o.Backend] == nil:
		return o, fmt.Errorf("there is no backend %q; take bolt or postgres", o.Backend)
	case o.Failovers > 0 && o.Backend != "postgres":
		return o, fmt.Errorf("%s has no standby to fail over to; take postgres", o.Backend)
	case o.Kills < 0 || o.Failovers < 0 || o.Acknowledged < 0 || o.Clients < 1:
		return o, fmt.Errorf("%d kills, %d failovers, %d acknowledged changes and %d clients are not a run", o.Kills, o.Failovers, o.Acknowledged, o.Clients)
	}
	return o, nil
}
