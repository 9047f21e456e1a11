package crash

import (
	"math/rand/v2"
	"time"
)

// plan is what happens in one cycle: load, until something is killed.
type plan struct {
	point Point         // where a server kills itself; or
	after time.Duration // when it is killed, or its database is

	// victim picks the server that is killed, of those that there are.
	victim uint64

	// starting: it is killed while it starts, before it serves. leaping: the clock makes a
	// leap, so that the keys rotate; after the start if there is no starting.
	starting, leaping bool

	// Of the database, where there is one to itself.
	cut      bool // its connections are cut
	database bool // it is killed
}

// what tells it in words.
func (p plan) what() string {
	switch {
	case p.cut:
		return "connections cut"
	case p.database:
		return "database killed"
	case p.point.Nth > 0:
		return p.point.String()
	case p.starting:
		return "while starting"
	}
	return "at random"
}

// untilPoint is how long a point may be in coming. A server that has not come to it by
// then is killed where it is.
const untilPoint = 2 * time.Second

// plans are those of a run. They follow from the seed.
func plans(n int, random *rand.Rand, shared bool) []plan {
	list := make([]plan, n)
	for i := range list {
		list[i] = newPlan(random, shared)
	}
	// The first start of all, which makes the file or the tables, is not spared.
	if n > 0 {
		list[0] = plan{starting: true, after: startingAfter(random)}
	}
	// Rotations are few, for each takes a leap, and they are spread over the run.
	leaps := min(maxLeaps, (n+5)/6)
	for i := range leaps {
		p := plan{victim: random.Uint64(), leaping: true, point: Point{Kind: kindKeys, Nth: 1, After: random.IntN(2) == 0}}
		p.starting = !shared && random.IntN(2) == 0
		list[min(n-1, i*n/leaps+n/(2*leaps))] = p
	}
	return list
}

func newPlan(random *rand.Rand, shared bool) plan {
	p := plan{victim: random.Uint64(), after: 50*time.Millisecond + time.Duration(random.Int64N(int64(900*time.Millisecond)))}
	switch dice := random.IntN(100); {
	case dice < 35:
	case dice < 40:
		p.starting, p.after = true, startingAfter(random)
	case dice < 65 || !shared && dice < 90:
		p.point = newPoint(random)
	case dice < 85 && shared:
		p.cut = true
	case shared:
		p.database = true
	}
	return p
}

// startingAfter is when a server that starts is killed: mostly before it serves.
func startingAfter(random *rand.Rand) time.Duration {
	return time.Duration(random.Int64N(int64(100 * time.Millisecond)))
}

// newPoint picks a point that a server under load comes to within a second or so.
func newPoint(random *rand.Rand) Point {
	kinds := []struct {
		kind string
		most int
	}{
		{kindAuthorize, 30}, {kindConsent, 30}, {kindExchange, 60}, {kindRefresh, 80},
		{kindRevoke, 20}, {kindEnd, 15}, {kindOwn, 10}, {kindClient, 6},
		{kindAny, 250}, {kindAnswer, 300},
	}
	k := kinds[random.IntN(len(kinds))]
	p := Point{Kind: k.kind, Nth: 1 + random.IntN(k.most), After: random.IntN(2) == 0}
	if p.Kind == kindAnswer {
		p.After = false
		p.Nth++ // the first is the one that arms the trap
	}
	return p
}
