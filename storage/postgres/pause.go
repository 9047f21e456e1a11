package postgres

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	shortestPause = 2 * time.Millisecond
	longestPause  = 200 * time.Millisecond
)

// pause waits before the next attempt, longer each time, and never for as long as those
// who lost at the same moment.
func pause(ctx context.Context, attempt int) {
	most := min(shortestPause<<min(attempt, 10), longestPause)
	timer := time.NewTimer(most/2 + rand.N(most/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
