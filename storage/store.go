package storage

import (
	"context"
	"io"
)

// Store is everything the server keeps. Every method may be called from many
// goroutines at once, and from several processes where the backend allows that. A
// list with a limit of zero or less is empty, and an empty after starts at the
// beginning.
type Store interface {
	Clients
	Codes
	Tokens
	Keys

	// Close waits for writes in flight and releases the backend. It may be called
	// more than once.
	io.Closer
}

// Clients keeps OAuth clients (RFC 6749 §2). A host that has them in a table of
// its own implements this interface, or, where only look-ups make sense,
// [ClientsFunc].
type Clients interface {
	// Client returns the client with this exact ID, or ErrNotFound.
	Client(ctx context.Context, clientID string) (*Client, error)

	// PutClient creates or replaces the client with this ID, atomically and
	// durably, under a [NewRevision]. If client.Revision is not zero, it only replaces the
	// state that has that Revision: where there is another, or none any more, it returns
	// ErrConflict, and the caller reads again and decides afresh. So whoever reads a client,
	// changes it and puts it back undoes nobody else's change.
	PutClient(ctx context.Context, client Client) error

	// DeleteClient removes the client. It returns ErrNotFound when there is none.
	DeleteClient(ctx context.Context, clientID string) error

	// ListClients returns up to limit clients whose ID sorts (by bytes) after the
	// given one, in ascending order.
	ListClients(ctx context.Context, after string, limit int) ([]Client, error)
}

// Codes keeps values that may be used once.
type Codes interface {
	// Code returns the record filed under d, used or not, or ErrNotFound.
	Code(ctx context.Context, d Digest) (*Code, error)

	// Commit applies w whole or not at all; see [Write]. A backend that keeps only
	// codes will be given Writes with ConsumeCodes and Codes alone.
	Commit(ctx context.Context, w Write) error
}

// Tokens keeps tokens, the grants they belong to, users' consents, and notices.
type Tokens interface {
	// Token returns the record filed under d, used, revoked or neither, or
	// ErrNotFound.
	Token(ctx context.Context, d Digest) (*Token, error)

	// Grant returns the grant with this ID, revoked or not, or ErrNotFound.
	Grant(ctx context.Context, grantID string) (*Grant, error)

	// ListGrants returns up to limit grants of one subject, revoked ones included,
	// whose ID sorts after the given one, in ascending order.
	ListGrants(ctx context.Context, subject, after string, limit int) ([]Grant, error)

	// Consent returns what the subject has agreed to for this client, or
	// ErrNotFound.
	Consent(ctx context.Context, subject, clientID string) (*Consent, error)

	// ListConsents returns up to limit consents of one subject whose ClientID sorts
	// after the given one, in ascending order.
	ListConsents(ctx context.Context, subject, after string, limit int) ([]Consent, error)

	// ListNotices returns up to limit notices whose ID sorts (by bytes) before the given
	// one, in ascending order: those that are due first come first. See [NoticesDue].
	ListNotices(ctx context.Context, before string, limit int) ([]Notice, error)

	// Commit applies w whole or not at all; see [Write]. A backend that keeps
	// everything but codes will be given Writes without ConsumeCodes and Codes.
	Commit(ctx context.Context, w Write) error
}

// Keys keeps the server's key ring: one small value, read often, written when a
// key is made, rotated or dropped.
type Keys interface {
	// Keys returns the stored ring; before the first SwapKeys, a zero one.
	Keys(ctx context.Context) (*KeyRing, error)

	// SwapKeys stores ring, atomically and durably, if the stored ring's Revision
	// is still ring.Revision-1, and returns ErrConflict if it is not: the caller
	// reads again and decides afresh. Revision 0 is never stored.
	SwapKeys(ctx context.Context, ring KeyRing) error
}

// ClientsFunc makes a read-only [Clients] of a look-up function, which returns
// ErrNotFound for an ID it does not know. Its other methods return ErrReadOnly.
type ClientsFunc func(ctx context.Context, clientID string) (*Client, error)

// Client calls f.
func (f ClientsFunc) Client(ctx context.Context, clientID string) (*Client, error) {
	return f(ctx, clientID)
}

// PutClient returns ErrReadOnly.
func (f ClientsFunc) PutClient(context.Context, Client) error { return ErrReadOnly }

// DeleteClient returns ErrReadOnly.
func (f ClientsFunc) DeleteClient(context.Context, string) error { return ErrReadOnly }

// ListClients returns ErrReadOnly.
func (f ClientsFunc) ListClients(context.Context, string, int) ([]Client, error) {
	return nil, ErrReadOnly
}
