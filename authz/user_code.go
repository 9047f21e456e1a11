package authz

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// A user code is 8 letters of the alphabet that RFC 8628 §6.1 proposes, which has no
// vowels and so spells no words: 34.5 bits.
const (
	userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength   = 8
)

// newUserCode makes one, without the dash it is shown with.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	var b [32]byte
	for {
		rand.Read(b[:])
		for _, r := range b {
			// 240 is the largest multiple of 20 in a byte: every letter is as likely.
			if r < 240 {
				code = append(code, userCodeAlphabet[r%20])
			}
			if len(code) == userCodeLength {
				return string(code)
			}
		}
	}
}

// showUserCode is the form for people.
func showUserCode(code string) string { return code[:userCodeLength/2] + "-" + code[userCodeLength/2:] }

// readUserCode undoes what people do to a code when they type it: case, dashes, spaces
// (RFC 8628 §6.1). It is empty if no code of ours can be meant.
func readUserCode(typed string) string {
	code := make([]byte, 0, userCodeLength)
	for _, r := range typed {
		switch {
		case r == '-' || r == ' ' || r == '.' || r == '_' || r == '\t' || r == 0xa0 || (r >= 0x2010 && r <= 0x2015):
			continue // and whatever a phone's keyboard makes of a dash
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		}
		if r > 'Z' || !strings.ContainsRune(userCodeAlphabet, r) || len(code) == userCodeLength {
			return ""
		}
		code = append(code, byte(r))
	}
	if len(code) < userCodeLength {
		return ""
	}
	return string(code)
}

// userCodeWindow is what the time is rounded to by which a user code is filed. Digests
// begin with a time, and a code that is short enough to be typed has no room for one.
const userCodeWindow = maxDeviceCode

func userCodeDigest(code string, expiresAt time.Time) storage.Digest {
	until := expiresAt.Truncate(userCodeWindow)
	if until.Before(expiresAt) {
		until = until.Add(userCodeWindow)
	}
	return storage.NewDigest(until, "user code:"+code)
}

// findUserCode looks a code up in the two windows that it can be in. It is nil if there is
// none that can still be answered: one that was used or has expired is as unknown as one
// that never was. So is one that is in both, which happens to nobody.
func (s *Server) findUserCode(ctx context.Context, code string, at time.Time) (*storage.Code, error) {
	var found *storage.Code
	first := userCodeDigest(code, at)
	for _, d := range []storage.Digest{first, userCodeDigest(code, first.ExpiresAt().Add(userCodeWindow))} {
		c, err := s.config.Storage.Code(ctx, d)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return nil, err
		case c.Kind != storage.UserCode || !c.ConsumedAt.IsZero() || !at.Before(c.ExpiresAt):
		case found != nil:
			return nil, nil
		default:
			found = c
		}
	}
	return found, nil
}
