package authz

import (
	"sync"
	"time"
)

// maxSetBack is how far the host's clock may be set back without the server's following:
// a day, and the hour of a mistaken daylight-saving time.
const maxSetBack = 25 * time.Hour

// clock is the host's clock, except that it does not run backwards. Were it to, what has
// expired would come to life: the code that somebody found in a log an hour too late. When
// the host's clock is set back, this one goes on from where it was, and slower, until the
// host's has caught up: were it as fast, it would stay ahead, and a replica whose clock had
// been wrong for a moment would find the codes and tokens of all others expired, and sweep
// them, for the rest of its life. A clock that is set back by more than maxSetBack had been
// wrong before, by years perhaps; then this one follows, or the server would be of no use
// for as long.
//
// Others read exp by the right time, so what is issued meanwhile lives longer for them, by
// as much as this clock is ahead.
//
// The process remembers this, nobody else: a server that starts believes its clock.
type clock struct {
	host func() time.Time

	mu   sync.Mutex
	told time.Time // the latest time that was told
	when time.Time // with a monotonic reading, if the host's was behind; otherwise zero
}

// now is the time to judge and to issue by: to the microsecond, in UTC, which is what
// every backend keeps.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	host := c.host().UTC().Round(0)
	if behind := c.told.Sub(host); behind <= 0 || behind > maxSetBack {
		c.told, c.when = host, time.Time{}
	} else { // time passes all the same, a quarter slower
		at := time.Now()
		if !c.when.IsZero() {
			passed := at.Sub(c.when)
			c.told = c.told.Add(passed - passed/4)
		}
		c.when = at
	}
	return c.told.Truncate(time.Microsecond)
}

// issuedAt is the time to write on a token for others to read, who go by the right time:
// where the host's clock has been set right, the server's is still ahead.
func (c *clock) issuedAt(now time.Time) time.Time { return earlier(now, c.host()) }
