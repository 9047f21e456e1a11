package crash

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// The ledger is what the clients and the host have been told.

// family is one authorization with all that followed from it, as its client knows it.
type family struct {
	user   *user
	client string
	made   time.Time // when its code was asked for, by the servers' clock
	leaps  int64     // how many there had been then

	code     string
	redeemed bool
	access   []*accessToken
	refresh  []string // the last is the one to use

	dead    bool
	pending bool // a request is on its way, so nothing is certain
	moot    bool // nothing is certain any more: time ran out on the way
	touched bool // since the last audit
}

type accessToken struct {
	value     string
	expiresAt time.Time
	revoked   bool
}

func (f *family) String() string { return fmt.Sprintf("%s of %s", f.client, f.user.name) }

// perishable tells that what the client gets does not outlive a run.
func (f *family) perishable() bool { return f.client == short }

// state is what is known of something that can be there or not.
type state int

const (
	nothing state = iota // never was
	there
	withdrawn
	either // a request for one or the other is on its way
)

// user is somebody whose authorizations are told by one worker alone, so that it knows
// what follows what.
type user struct {
	name     string
	families []*family
	consents map[string]state
}

// worker tells stories, one step after the other.
type worker struct {
	*run
	name   string
	random *rand.Rand
	users  []*user
	made   int // users and clients

	own        []*accessToken // of the client service
	registered []string       // clients

	// mu is held but while a request is on its way.
	mu sync.Mutex
}
