package crash

import "fmt"

// clientsAtOnce is the default of Options.Clients.
const clientsAtOnce = 32

const (
	recentUsers     = 5 // whom a worker goes on with
	familiesPerUser = 6
	mostRegistered  = 20
)

// work tells stories until it is time to stop, each of the steps to its end.
func (w *worker) work() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.stopping.Load() {
		w.step()
	}
}

// step does one thing, chosen by the worker's dice.
func (w *worker) step() {
	dice := w.random.IntN(100)
	switch {
	case dice < 3:
		w.own = append(w.own, w.ownToken(service))
		return
	case dice < 5:
		if len(w.registered) < mostRegistered {
			w.register(fmt.Sprintf("client-%s-%d", w.name, len(w.registered)+1))
		} else {
			w.register(w.registered[w.random.IntN(mostRegistered)])
		}
		return
	}
	u := w.somebody()
	f := w.one(u)
	switch {
	case f == nil || dice < 35 && len(u.families) < familiesPerUser:
		w.begin(u)
	case dice < 60:
		w.refreshOnce(f)
	case dice < 65:
		w.refreshTwice(f)
	case dice < 70:
		w.refreshAgain(f)
	case dice < 80:
		w.introspect(f)
	case dice < 84:
		w.revoke(f)
	case dice < 88:
		w.revokeAccess(f)
	case dice < 91:
		w.end(u, "")
	case dice < 94:
		w.end(u, f.client)
	case dice < 97:
		w.endGrants(u, f.client)
	case !w.stale(f):
		w.replay(f)
	}
}

// begin has a user connect a client, and the client redeem its code.
func (w *worker) begin(u *user) {
	f := w.connect(u, ofUsers[w.random.IntN(len(ofUsers))])
	switch dice := w.random.IntN(100); {
	case f == nil, dice < 3: // the code stays unused
	case dice < 8:
		w.exchangeTwice(f)
	default:
		w.exchange(f)
	}
}

// somebody is one of the latest users, or a new one.
func (w *worker) somebody() *user {
	if n := len(w.users); n > 0 && w.random.IntN(8) > 0 {
		return w.users[n-1-w.random.IntN(min(n, recentUsers))]
	}
	w.made++
	u := &user{name: fmt.Sprintf("user-%s-%d", w.name, w.made), consents: map[string]state{}}
	w.users = append(w.users, u)
	return u
}

// one is a live authorization of a user, or nil.
func (w *worker) one(u *user) *family {
	var live []*family
	for _, f := range u.families {
		if f.redeemed && !f.dead && !f.moot && !w.old(f) {
			live = append(live, f)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return live[w.random.IntN(len(live))]
}
