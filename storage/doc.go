// Package storage says what an authorization server must remember, and what a
// backend must promise while it remembers it.
//
// Embedders rarely look in here: they pass storage/bolt to authz.Config and are
// done. The package is written for those who keep some or all of it in a
// database of their own.
//
// # What is kept
//
// A [Client] is an OAuth client. A [Code] is a short-lived value that may be used
// once: an authorization code today; a seen-once identifier as well. A [Token] is
// a refresh token or an opaque access token. A [Grant] is one authorization that
// one user gave one client; codes and tokens point to it, so that ending it ends
// them all with one write. A [Consent] is what the user agreed to, kept beyond
// any one grant. A [Notice] is something that a client has yet to be told, such as that a
// session has ended. A [KeyRing] holds the server's signing keys.
//
// No record holds a usable credential. Codes and tokens are filed under their
// [Digest], client secrets as a [Secret], signing keys as bytes that the server
// encrypts when the host gives it a key.
//
// # What a backend implements
//
// [Store], which is [Clients], [Codes], [Tokens] and [Keys]. A host may bring one
// of these and take the others from a ready-made backend; [Join] puts them
// together.
//
// Reading is plain look-up: the record, or [ErrNotFound]. A record past its
// ExpiresAt may still be returned or may be gone already; callers compare the
// times themselves. Whatever is returned belongs to the caller, and whatever is
// passed in stays the caller's: a backend copies. Every method returns ctx.Err(), bare or
// wrapped, once its context has ended, and [ErrClosed] after Close; where both hold,
// either will do. Every read sees every write that was acknowledged before, in whatever
// process: a database's read replicas are not good enough.
//
// Records come back as they were put in, those of a restore that are used up or revoked
// already included. A nil slice and an empty one are the same. Times are the same instant,
// in any zone, to the microsecond at least. Strings may hold anything, bytes that are not
// UTF-8 and NUL too: what a host calls its users is the host's business. Keep a record's
// fields in columns, or as one value: encoding/gob loses nothing; CBOR goes by the field
// tags, given an encoder that keeps times to the microsecond; JSON leaves the client
// secrets out, and is for showing clients to people.
//
// All writing that follows from a protocol step goes through one method, Commit,
// which takes a [Write] and applies it whole or not at all. A Write states what
// must still be true (this code is unused, that grant is not revoked) next to what
// to store, and the backend judges the first inside the same transaction that does
// the second. There is deliberately no way to read a record, look at it and mark
// it used in a second call.
//
// Once Commit has returned nil, the Write survives a crash of the process and of
// the machine, and every later read sees it. When Commit returns one of this
// package's errors, nothing was written. After any other error, the end of the
// context among them, it may or may not have been: a Commit that has succeeded before it
// notices that its context ended may say either.
//
// # Epochs
//
// A store that no other process writes to can tell that nothing has been taken back since a
// token was last found good: see [Epochs], which is optional. storage/bolt and
// storage/memory have it; storage/postgres cannot.
//
// # Errors
//
// [ErrNotFound], [ErrExists], [ErrConsumed], [ErrRevoked], [ErrConflict] and
// [ErrReadOnly] are facts about records, and the server answers its caller
// accordingly. Return them wrapped or bare, but return them for nothing else: any
// other error means "could not find out", which the server turns into 503 and
// never into "no such client" or "token inactive".
//
// # Expiry
//
// A code, token, grant or consent lives while the present is before its own ExpiresAt; a
// consent's may be zero, which is for ever. All conditions go by that. A backend removes
// expired records by itself, a few at a time beside other work: more with each Write than
// the Write adds, or the dead pile up. The Digest of a code or token and the ID of a grant
// begin with the time at which the record may be dropped, so in any ordered store the dead
// are one range at the left edge, below NewDigest(present, "")[:6] or
// NewGrantID(present)[:12]. A record whose own ExpiresAt is later than that stamp is kept
// until then. A used-up refresh token keeps its place all that time: that is what lets the
// server recognise a stolen one.
//
// Notices alone do not expire. Their IDs begin with the time at which they are due, so those
// that are due are a range at the left edge as well, and whoever deals with one removes it.
//
// # Testing a backend
//
// Package storage/storagetest holds a kit that every backend must pass; calling it
// from a test is one line.
package storage
