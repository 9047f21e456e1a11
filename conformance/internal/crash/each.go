package crash

import "sync"

// each does something to every item, several at a time.
func each[T any](at int, items []T, do func(T)) {
	next := make(chan T)
	var busy sync.WaitGroup
	for range min(at, len(items)) {
		busy.Go(func() {
			for item := range next {
				do(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	busy.Wait()
}
