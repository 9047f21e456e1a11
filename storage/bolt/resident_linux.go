package bolt

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// release takes the file's pages out of our memory, where they count as ours although
// they are the kernel's cache: a process that has written a gigabyte would seem to need
// one. They are mapped again when somebody reads them. The caller holds the write lock,
// so that the map stays where it is.
func (db *DB) release(size int64) {
	info := db.bolt.Info()
	if info == nil || info.Data == 0 || size <= 0 {
		return
	}
	start := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	// The map is shared and read-only: nothing can get lost. If it fails, nothing is.
	_ = unix.Madvise(unsafe.Slice((*byte)(start), size), unix.MADV_DONTNEED)
}
