// Package keyring holds the server's keys: it makes them at first start, keeps
// them in the store, and rotates them without anybody asking.
//
// A key's life has four steps. It is published first, so that whoever caches the
// key set has seen it before it is used; then it signs; then it is retired, when
// its successor signs; and it stays published until the last token it signed has
// expired. No goroutine drives this: every use looks at the clock, and whoever finds
// a step due takes it with a compare-and-swap on the stored ring, so that replicas
// agree.
package keyring
