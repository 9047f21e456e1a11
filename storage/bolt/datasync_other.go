//go:build !linux

package bolt

import "os"

// datasync returns when what was written to f is on disk.
func datasync(f *os.File) error { return f.Sync() }
