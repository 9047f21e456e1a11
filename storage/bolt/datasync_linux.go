package bolt

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync returns when what was written to f is on disk.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
