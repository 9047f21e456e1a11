package crash

import "sync"

// gate is what every request of the load goes through. While it is closed, nobody is
// inside.
type gate struct {
	mu     sync.Mutex
	change sync.Cond
	open   bool
	over   bool // nobody needs to wait any more
	inside int
}

func newGate() *gate {
	g := &gate{}
	g.change.L = &g.mu
	return g
}

// enter waits until the gate is open. It says no when all is over.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.open && !g.over {
		g.change.Wait()
	}
	if g.over {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.change.Broadcast()
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	g.change.Broadcast()
	for !open && g.inside > 0 {
		g.change.Wait()
	}
}

// end sends everybody home.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.change.Broadcast()
}
