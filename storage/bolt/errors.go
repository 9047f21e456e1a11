package bolt

import "errors"

// The reasons why [Open] refuses a file. Each comes wrapped with the path and with
// what to do; the file is left exactly as it was.
var (
	// ErrLocked: another process, or another Open in this one, holds the file.
	ErrLocked = errors.New("bolt: file is already open")

	// ErrForeign: a sound bbolt file, but not one that this package made.
	ErrForeign = errors.New("bolt: file belongs to another program")

	// ErrNewer: written by a later version of this package, in a schema that this
	// one does not know.
	ErrNewer = errors.New("bolt: file was written by a newer version")

	// ErrLog: what is in the place of the file's log is not that, or not all of it, or the
	// log is of another state of the file. They belong together, like the volumes of a book.
	ErrLog = errors.New("bolt: file and log do not fit together")

	// ErrCorrupt: the file, or a record in it, is not what was written. Any method
	// may return it, not only Open: a damaged record is an error for whoever asks
	// for it, never a wrong answer.
	ErrCorrupt = errors.New("bolt: file is damaged")
)
