package client

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks an open file, unless another one who has it open does. The lock ends when the
// file is closed.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// ours cannot tell: there are no permission bits here. The user's own configuration folder,
// where the program keeps its files, is closed to other users by what it inherits.
func ours(fs.FileInfo) bool { return true }

// syncFolder has nothing to do: folders cannot be synced here.
func syncFolder(string) error { return nil }
