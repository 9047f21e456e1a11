// Package storagetest is the kit that every storage backend must pass. It holds one
// check for each sentence of the contract in package storage.
//
//	func TestBackend(t *testing.T) {
//		storagetest.Run(t, storagetest.Harness{
//			Open: func(t testing.TB) storage.Store {
//				db, err := mydb.Open(filepath.Join(t.TempDir(), "test.db"))
//				if err != nil {
//					t.Fatal(err)
//				}
//				return db
//			},
//		})
//	}
//
// A host that brings only one part, its own clients say, joins the rest from
// storage/memory and runs the same kit:
//
//	storage.Join(myClients, mem, mem, mem)
//
// Codes alone, or tokens alone, leave some checks out; see [Harness]:
//
//	storagetest.Harness{Split: true, Open: …storage.Join(mem, myCodes, mem, mem)…}
//
// Run it with -race. The kit takes a few seconds on a backend that waits for its
// disk.
package storagetest

import (
	"testing"

	"github.com/grantor-oauth/grantor/storage"
)

// Harness tells the kit how to get at a backend.
type Harness struct {
	// Open returns an empty store. The kit closes it.
	Open func(t testing.TB) storage.Store

	// Reopen closes s, and returns a store over the same data as if the process had
	// ended in between. Nil for a backend that forgets.
	Reopen func(t testing.TB, s storage.Store) storage.Store

	// Crash returns a store over what would be left if the process were killed now. s goes
	// on, and is closed later. Without it the kit cannot tell a backend that has written
	// what it acknowledged from one that does so when it is closed.
	Crash func(t testing.TB, s storage.Store) storage.Store

	// Split tells that codes and tokens are kept in different backends, put together by
	// storage.Join. A Write with both is then two commits, and the kit asks of each
	// part alone that it is made whole or not at all.
	Split bool
}

// Run holds a backend to the contract. Each check gets a store of its own.
func Run(t *testing.T, h Harness) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) { c.runOn(t, h) })
	}
}

// check is one question to a backend. It takes a testing.TB so that the kit can be
// tested with one that only takes notes.
type check struct {
	name    string
	run     func(k *kit)
	reopens bool // needs Harness.Reopen
	crashes bool // needs Harness.Crash
	whole   bool // not for Harness.Split
}

func checks() []check {
	var all []check
	for _, list := range [][]check{
		codeChecks, tokenChecks, grantChecks, consentChecks, clientChecks, keyChecks,
		atomicChecks, raceChecks, sweepChecks, oddChecks, copyChecks, contextChecks,
		durableChecks, endedChecks, restoreChecks, epochChecks, noticeChecks,
	} {
		all = append(all, list...)
	}
	return all
}

func (c check) runOn(t testing.TB, h Harness) {
	t.Helper()
	if c.reopens && h.Reopen == nil {
		t.Skip("the harness has no Reopen")
	}
	if c.crashes && h.Crash == nil {
		t.Skip("the harness has no Crash")
	}
	if c.whole && h.Split {
		t.Skip("codes and tokens are not one backend")
	}
	k := newKit(t, h)
	defer k.close()
	c.run(k)
}
