package storage

import "errors"

// The facts a backend reports. Test for them with errors.Is; any other error from
// a backend means that it could not find out.
var (
	// ErrNotFound: no record is filed under that name. Inside a Commit it is also
	// the answer for a record that has expired at Write.At.
	ErrNotFound = errors.New("storage: not found")

	// ErrExists: a record to be added is there already.
	ErrExists = errors.New("storage: already exists")

	// ErrConsumed: a code or token to be consumed has been consumed before.
	ErrConsumed = errors.New("storage: already consumed")

	// ErrRevoked: a grant or token that had to be live has been revoked.
	ErrRevoked = errors.New("storage: revoked")

	// ErrConflict: the value changed since the caller read it; read again.
	ErrConflict = errors.New("storage: changed by someone else, read it again")

	// ErrReadOnly: this part of the store only looks things up.
	ErrReadOnly = errors.New("storage: this store is read-only here; change the records where they are kept")

	// ErrClosed: Close has been called.
	ErrClosed = errors.New("storage: used after Close")
)
