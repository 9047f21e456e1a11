package dpop

// The error codes of RFC 9449 §12.2.
const (
	InvalidProof = "invalid_dpop_proof"
	UseNonce     = "use_dpop_nonce"
)

// Error says why a proof was refused. Nothing of the proof is in it.
type Error struct {
	Code   string // InvalidProof or UseNonce
	Reason string // a stable word for the check that failed, such as proof_too_old

	text string
}

// Error names the reason in words.
func (e *Error) Error() string { return "dpop: " + e.text }

func refused(reason, text string) *Error {
	return &Error{Code: InvalidProof, Reason: reason, text: text}
}

// Replayed is the error for a proof that was used before (RFC 9449 §11.1).
func Replayed() *Error { return refused("proof_replayed", "the proof was used before") }
