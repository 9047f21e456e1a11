package resource

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Together they bound the memory of the cache to 32 MB.
const (
	maxAnswers     = 4096
	maxAnswerBytes = 8 << 10
)

type answerKey [sha256.Size]byte

type answer struct {
	body  []byte
	until time.Time
}

// answers keeps introspection answers about active tokens for a short time (RFC 7662
// §4). It knows the tokens by their digest only. An answer that a token is not active
// is not kept: whoever sends rubbish must not push out those who do not.
type answers struct {
	mu   sync.Mutex
	kept map[answerKey]answer
}

// find works on a nil cache, which is empty.
func (a *answers) find(token string, now time.Time) ([]byte, bool) {
	if a == nil {
		return nil, false
	}
	key := answerKey(sha256.Sum256([]byte(token)))
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.kept[key]
	if !ok || !now.Before(found.until) {
		delete(a.kept, key)
		return nil, false
	}
	return found.body, true
}

// keep stores the body as it came, so that everybody who is given it makes a Token of
// their own and none can change another's.
func (a *answers) keep(token string, body []byte, now, until time.Time) {
	if a == nil || len(body) > maxAnswerBytes {
		return
	}
	key := answerKey(sha256.Sum256([]byte(token)))
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= maxAnswers {
		a.makeRoom(now)
	}
	a.kept[key] = answer{body, until}
}

// makeRoom drops what has expired, and an eighth of the rest if that is nothing; which
// eighth does not matter, they are all only asked about again.
func (a *answers) makeRoom(now time.Time) {
	for key, kept := range a.kept {
		if !now.Before(kept.until) {
			delete(a.kept, key)
		}
	}
	if len(a.kept) < maxAnswers {
		return
	}
	left := maxAnswers / 8
	for key := range a.kept {
		if left--; left < 0 {
			return
		}
		delete(a.kept, key)
	}
}
