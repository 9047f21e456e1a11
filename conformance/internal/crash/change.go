package crash

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// change is what is kept of a Write in a diary: the names of what it touches.
type change struct {
	name    string // for people
	kind    string
	at      time.Time
	outcome outcome

	consumeCodes, consumeTokens []storage.Digest
	codes, tokens               []filed
	grants                      []grantFiled
	consents                    []pair
	revoke                      []storage.Revocation
}

// filed is a code or a token, with the grant that it belongs to.
type filed struct {
	digest storage.Digest
	grant  string
}

type grantFiled struct {
	id        string
	of        pair
	expiresAt time.Time
}

type pair struct{ subject, client string }

func newChange(name string, w *storage.Write) *change {
	c := &change{name: name, kind: kindOf(w), at: w.At, consumeCodes: w.ConsumeCodes, revoke: w.Revoke}
	for _, used := range w.ConsumeTokens {
		c.consumeTokens = append(c.consumeTokens, used.Digest)
	}
	for _, code := range w.Codes {
		c.codes = append(c.codes, filed{code.Digest, code.GrantID})
	}
	for _, token := range w.Tokens {
		c.tokens = append(c.tokens, filed{token.Digest, token.GrantID})
	}
	for _, g := range w.Grants {
		c.grants = append(c.grants, grantFiled{g.ID, pair{g.Subject, g.ClientID}, g.ExpiresAt})
	}
	for _, agreed := range w.Consents {
		c.consents = append(c.consents, pair{agreed.Subject, agreed.ClientID})
	}
	return c
}

func (c *change) String() string { return fmt.Sprintf("%s (%s)", c.name, c.kind) }

// ends reports whether this change ends what a user has with a client.
func (c *change) ends(p pair) bool {
	for _, r := range c.revoke {
		if r.Subject == p.subject && (r.ClientID == "" || r.ClientID == p.client) {
			return true
		}
	}
	return false
}

// book is what all the diaries say.
type book struct {
	mu      sync.Mutex
	changes []*change
	fresh   []*change                    // since the last audit, or not settled in it
	users   map[string][]*change         // those that concern a user, by subject
	uses    map[storage.Digest][]*change // those that use up a code or a token

	rings   []*ringChange
	clients map[string][]*clientChange
}

type ringChange struct {
	name    string
	ring    storage.KeyRing
	outcome outcome
}

type clientChange struct {
	called  string
	asked   int64
	outcome outcome
}

func newBook() *book {
	return &book{users: map[string][]*change{}, uses: map[storage.Digest][]*change{}, clients: map[string][]*clientChange{}}
}

// page is one diary: which of its changes have not been answered.
type page struct {
	name   string
	reader diaryReader
	open   map[int64]func(outcome)
}

func newPage(name, path string) *page {
	return &page{name: name, reader: diaryReader{path: path}, open: map[int64]func(outcome){}}
}

// copyFrom takes over what is new in a diary.
func (b *book) copyFrom(p *page) error {
	entries, err := p.reader.read()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		name := fmt.Sprintf("change %d of server %s", e.N, p.name)
		switch {
		case e.Write != nil:
			c := newChange(name, e.Write)
			b.changes, b.fresh = append(b.changes, c), append(b.fresh, c)
			b.index(c)
			p.open[e.N] = func(o outcome) { c.outcome = o }
		case e.Ring != nil:
			c := &ringChange{name: name, ring: *e.Ring}
			b.rings = append(b.rings, c)
			p.open[e.N] = func(o outcome) { c.outcome = o }
		case e.Client != nil:
			c := &clientChange{called: e.Client.Name, asked: e.Asked}
			b.clients[e.Client.ID] = append(b.clients[e.Client.ID], c)
			p.open[e.N] = func(o outcome) { c.outcome = o }
		default:
			if set := p.open[e.N]; set != nil {
				set(e.Outcome)
				delete(p.open, e.N)
			}
		}
	}
	return nil
}

func (b *book) index(c *change) {
	for _, d := range slices.Concat(c.consumeCodes, c.consumeTokens) {
		b.uses[d] = append(b.uses[d], c)
	}
	subjects := map[string]bool{}
	for _, g := range c.grants {
		subjects[g.of.subject] = true
	}
	for _, r := range c.revoke {
		if r.Subject != "" {
			subjects[r.Subject] = true
		}
	}
	for subject := range subjects {
		b.users[subject] = append(b.users[subject], c)
	}
}
