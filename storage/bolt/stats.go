package bolt

// Stats count what was done since the database was opened.
type Stats struct {
	// Commits is how many groups of writes have been logged, each of them one trip to the
	// disk.
	Commits uint64

	// Merges is how many times the log was merged into the file: two trips each.
	Merges uint64
}

// Stats may be called at any time. A group that is being committed is not in it yet.
func (db *DB) Stats() Stats { return Stats{db.recent.Load().seq, db.merges.Load()} }
