package storage

import "time"

// Notice is something that a client has yet to be told over the network. It is filed by the
// same [Write] as what it tells of, so that no crash can part the two, and stays until a Write
// takes it away. It holds no credential, nor anything that is ready to be sent.
//
// Whoever wants to deliver a notice claims it first: a Write takes it away and adds the same
// again under a new ID, for a later time. Of several that try, one succeeds; and if that one
// dies, the notice is due again when that time comes.
type Notice struct {
	// ID comes from [NewNoticeID]. It is not a secret.
	ID string `cbor:"1,keyasint"`

	Kind NoticeKind `cbor:"2,keyasint"`

	// ClientID is who is to be told, Subject whom it is about, and SessionID which of the
	// user's sessions; empty for all of them.
	ClientID  string `cbor:"3,keyasint"`
	Subject   string `cbor:"4,keyasint"`
	SessionID string `cbor:"5,keyasint,omitempty"`

	// Attempts is how many deliveries were begun.
	Attempts int `cbor:"6,keyasint,omitempty"`

	// CreatedAt is when it happened.
	CreatedAt time.Time `cbor:"7,keyasint"`
}

// NoticeKind says what a [Notice] tells.
type NoticeKind string

// LogoutNotice tells that a session has ended (OpenID Connect Back-Channel Logout §2.5).
const LogoutNotice NoticeKind = "logout"

// NewNoticeID makes the ID of a notice that is due at the given time. Like those of
// [NewGrantID], such IDs sort by that time.
func NewNoticeID(dueAt time.Time) string { return NewGrantID(dueAt) }

// DueAt is the time that the notice's ID begins with, zero if it begins with none.
func (n *Notice) DueAt() time.Time { return stampOf(n.ID) }

// NoticesDue is what the IDs of notices that are due at the given time sort before.
func NoticesDue(at time.Time) string { return NewNoticeID(at.Add(time.Millisecond))[:12] }
