package storage

// Epochs is what a store may have besides [Store], if one process alone writes what it holds:
// maps, or a file of its own, and never a database that others write to as well. With it,
// whoever has found a token good need not look it up again before something has been taken
// back. A part that is given to [Join] has it like a whole store.
type Epochs interface {
	// Epoch returns the number of the present epoch, a time in which nothing was taken
	// back. The number only ever grows, and it has grown before these calls return:
	//
	//   - Commit of a Write that [Write.TakesBack], with nil;
	//   - PutClient, of any client, with nil;
	//   - DeleteClient, of any client, with nil or ErrNotFound.
	//
	// It grows whether or not there was anything left to take back: what is dead already
	// may have been killed a moment ago, by a call that has not returned yet. A change that
	// is made although its caller was told an error, or nothing more, makes it grow too.
	// What dies of its ExpiresAt, swept or not, does not.
	//
	// And it grows with the change or after it, never before: whoever has read the new
	// number sees the change in every look-up that begins then. For a verifier reads the
	// number first, then looks up, and remembers what it found under the number that it
	// read, for as long as it reads that same number. If what it found was alive, its
	// look-up was before the change, so its number is from before the change, and so from
	// before the number grew: when the call returns, what it remembers counts no more. Had
	// the number grown before the change, a verifier could read the new number, find what
	// was there before the change, and believe that to the end of the new epoch.
	//
	// of is the store that the caller looks things up in. known is false, and the number
	// means nothing, if that is not this very one, or if it is closed. For a type that
	// embeds a store, and answers for the clients itself, say, has this method without
	// knowing it, and what that type takes back does not make the number grow. It is told no
	// until it has an Epoch of its own.
	Epoch(of any) (epoch uint64, known bool)
}
