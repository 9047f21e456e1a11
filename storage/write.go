package storage

import (
	"slices"
	"time"
)

// Write is one atomic change. Its conditions are judged and its effects applied in
// one transaction: all of it happens, or none.
//
// The order of judgement decides which error is reported: ConsumeCodes,
// ConsumeTokens, Live, Unended, TakeNotices, then what is to be added (Codes, Grants, Tokens,
// Notices), each list from its beginning; the first condition that fails is the answer. Consents and
// Revoke cannot fail. Only what was stored before counts: a Write may add a grant and
// name it in a Token, but it may not add and consume the same record, nor hope to find
// in Live what it adds.
type Write struct {
	// At is the present by the server's clock. Conditions are judged against it,
	// it is what ConsumedAt and RevokedAt are set to, and records that expired
	// before it may be swept.
	At time.Time

	// ConsumeCodes marks each of these codes as used: ErrNotFound if there is none
	// or it has expired, ErrConsumed if it was used before, or is named twice.
	ConsumeCodes []Digest

	// ConsumeTokens marks each of these tokens as used and files an answer with it:
	// ErrNotFound if there is none or it has expired, ErrRevoked if it was revoked,
	// ErrConsumed if it was used before, or is named twice.
	ConsumeTokens []Consumption

	// Live names grants that must exist and be neither expired nor revoked:
	// ErrNotFound or ErrRevoked otherwise. An effect-free Write with Live alone is
	// allowed.
	Live []string

	// Unended names users whose authorizations must not have been ended meanwhile:
	// ErrRevoked if they were. Without it, whoever is just authorizing a client would
	// slip through when all of a user's authorizations are ended.
	Unended []Unended

	// TakeNotices removes these notices, by ID: ErrNotFound if there is none, or it is named
	// twice. That is how one of several servers gets to deliver it.
	TakeNotices []string

	// Codes, Grants and Tokens are added: ErrExists if one is there already, or is
	// named twice. A stored record that has expired makes room for a new one, whether or
	// not it has been swept.
	Codes  []Code
	Grants []Grant
	Tokens []Token

	// Notices are added: ErrExists if there is one with the same ID, or it is named twice.
	// They do not expire: a Write takes them away in the end.
	Notices []Notice

	// Consents replace what is stored for the same subject and client.
	Consents []Consent

	// Revoke ends grants or single tokens. It comes last, so that it also ends what
	// this Write adds. Doing so again changes nothing, and what does not exist is
	// passed over.
	Revoke []Revocation
}

// TakesBack reports whether w may end the life of something that is stored already, or of a
// signed token that is not: it revokes, or adds what is revoked. It ends the epoch ([Epochs]).
func (w *Write) TakesBack() bool {
	return len(w.Revoke) > 0 ||
		slices.ContainsFunc(w.Grants, func(g Grant) bool { return !g.RevokedAt.IsZero() }) ||
		slices.ContainsFunc(w.Tokens, func(t Token) bool { return !t.RevokedAt.IsZero() })
}

// Unended is the condition that no earlier Write whose At is later than Since, by a
// microsecond or more, has revoked this Subject altogether, or this Subject with this
// ClientID; without a ClientID, only the first counts. Where the two times are less than a
// microsecond apart, either answer will do. An At
// that is later by more than [RememberEnded] comes from a clock that was wrong, and does
// not count.
//
// A backend therefore remembers, of each [Revocation] with a Subject, its Subject, its
// ClientID and the latest At: for [RememberEnded] at least, whether or not there was
// anything to revoke. An At that is later than the one of a new revocation by more than
// RememberEnded gives way to it, wrong as its clock was.
type Unended struct {
	Subject  string
	ClientID string
	Since    time.Time
}

// RememberEnded is how long after its At a revocation by subject has to be known.
// Nothing that asks for it takes that long.
const RememberEnded = time.Hour

// Consumption uses up one token.
type Consumption struct {
	// Digest names the token.
	Digest Digest

	// Answer is stored in the token's record and can be read back from there: the
	// successor pair, sealed so that only the presented token opens it.
	Answer []byte
}

// Revocation ends grants or one token. Exactly one of the three forms is used:
// GrantID for that grant; Subject (with ClientID: for that client alone) for every
// grant of a user, along with the consents for the same; Token for one token.
type Revocation struct {
	GrantID string

	Subject  string
	ClientID string

	// Token names one token. If a record is stored under it, the record is marked;
	// if not, and Token.ExpiresAt() is not past, a record of kind RevokedToken with that
	// ExpiresAt and RevokedAt is made, which is how a signed token that is stored nowhere
	// gets revoked.
	Token Digest

	// Reason is kept with the grant for whoever looks at it later: one of a few
	// constant words, never user input.
	Reason string
}
