//go:build !linux

package bolt

func (db *DB) release(int64) {}
