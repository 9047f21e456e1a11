package crash

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// grantEnd is the time that a grant's ID begins with.
func grantEnd(id string) time.Time {
	ms, err := strconv.ParseInt(id[:min(12, len(id))], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func (a *auditor) lookGrant(id string) (*storage.Grant, sight, error) {
	return look(a, grantEnd(id), func() (*storage.Grant, error) { return a.store.Grant(a.ctx, id) })
}

// hasGrant makes sure that a code or token is not without its grant.
func (a *auditor) hasGrant(c *change, what, id string) error {
	_, is, err := a.lookGrant(id)
	if is == no {
		a.found.found(orphaned, c.String(), "a %s is there and its grant %s is not", what, id)
	}
	return err
}

// grant also makes sure that a grant and the index of its subject agree.
func (a *auditor) grant(c *change, g grantFiled) (sight, error) {
	_, is, err := a.lookGrant(g.id)
	if err != nil {
		return moot, err
	}
	list, err := a.store.ListGrants(a.ctx, g.of.subject, "", 1000)
	if err != nil {
		return moot, fmt.Errorf("listing the grants of %s: %w", g.of.subject, err)
	}
	listed := slices.ContainsFunc(list, func(x storage.Grant) bool { return x.ID == g.id })
	if a.now.Before(g.expiresAt) && listed != (is == yes) {
		a.found.found(orphaned, c.String(), "grant %s there: %t; in the list of its subject: %t", g.id, is == yes, listed)
	}
	return is, nil
}

// consent tells whether the consent of a change is there. A later one replaces it, and
// a later end takes it away.
func (a *auditor) consent(c *change, p pair) (sight, error) {
	stored, err := a.store.Consent(a.ctx, p.subject, p.client)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if a.later(c, p, func(o *change) bool { return o.ends(p) }) {
			return moot, nil
		}
		return no, nil
	case err != nil:
		return moot, fmt.Errorf("looking for a consent: %w", err)
	case same(stored.GrantedAt, c.at):
		return yes, nil
	case stored.GrantedAt.After(c.at):
		return moot, nil
	}
	return no, nil
}

// later tells whether there may have been another change after this one that concerns
// the same user.
func (a *auditor) later(c *change, p pair, is func(*change) bool) bool {
	return slices.ContainsFunc(a.book.users[p.subject], func(o *change) bool {
		return o != c && o.outcome != refused && !o.at.Before(c.at) && is(o)
	})
}

// ending tells what of a revocation is to be seen.
func (a *auditor) ending(c *change, r storage.Revocation) ([]effect, error) {
	switch {
	case r.GrantID != "":
		e, err := a.ended(c, r.GrantID)
		return []effect{e}, err
	case r.Subject == "":
		token, is, err := look(a, r.Token.ExpiresAt(), func() (*storage.Token, error) { return a.store.Token(a.ctx, r.Token) })
		if is == yes {
			is = stamped(token.RevokedAt, c.at)
		}
		return []effect{{"the end of a token", is, true}}, err
	}
	// All that the user had been known to have. What is granted afterwards has a later
	// time, and is none of this one's business.
	var all []effect
	for _, o := range a.book.users[r.Subject] {
		if o.outcome != done || !o.at.Before(c.at) {
			continue
		}
		for _, g := range o.grants {
			if r.ClientID != "" && g.of.client != r.ClientID || g.of.subject != r.Subject {
				continue
			}
			e, err := a.ended(c, g.id)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
		for _, p := range o.consents {
			if !c.ends(p) {
				continue
			}
			stored, err := a.store.Consent(a.ctx, p.subject, p.client)
			switch {
			case errors.Is(err, storage.ErrNotFound):
			case err != nil:
				return nil, fmt.Errorf("looking for a consent: %w", err)
			case !stored.GrantedAt.After(c.at):
				all = append(all, effect{"the end of a consent", no, true})
			}
		}
	}
	e, err := a.remembered(c, r)
	return append(all, e), err
}

// remembered tells whether an authorization that is on its way would still find out about
// the end. That too has to outlive a crash, and nothing else shows it.
func (a *auditor) remembered(c *change, r storage.Revocation) (effect, error) {
	e := effect{"the memory of the end", moot, true}
	another := func(o *change) bool { return o.ends(pair{r.Subject, r.ClientID}) }
	if a.now.Sub(c.at) >= storage.RememberEnded || a.later(c, pair{r.Subject, r.ClientID}, another) {
		return e, nil
	}
	err := a.store.Commit(a.ctx, storage.Write{At: a.now, Unended: []storage.Unended{
		{Subject: r.Subject, ClientID: r.ClientID, Since: c.at.Add(-2 * time.Microsecond)},
	}})
	switch {
	case err == nil:
		e.is = no
	case errors.Is(err, storage.ErrRevoked):
		e.is = yes
	default:
		return e, fmt.Errorf("asking for the memory of an end: %w", err)
	}
	return e, nil
}

func (a *auditor) ended(c *change, grantID string) (effect, error) {
	g, is, err := a.lookGrant(grantID)
	switch {
	case is == no:
		is = moot // its own change is the one to complain
	case is == yes:
		is = stamped(g.RevokedAt, c.at)
	}
	return effect{"the end of grant " + grantID, is, true}, err
}

// findDoubles looks for credentials that two changes have used up.
func (a *auditor) findDoubles() {
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	users := map[storage.Digest]*change{}
	for _, c := range a.book.changes {
		if c.outcome != done {
			continue
		}
		for _, d := range slices.Concat(c.consumeCodes, c.consumeTokens) {
			if other := users[d]; other != nil {
				a.found.found(doubled, c.String(), "it used up what %s had used up", other)
			}
			users[d] = c
		}
	}
}

// judgeRing makes sure that there is one key ring, and that it has all keys that were
// acknowledged and live.
func (a *auditor) judgeRing() error {
	ring, err := a.store.Keys(a.ctx)
	if err != nil {
		return fmt.Errorf("reading the key ring: %w", err)
	}
	kids := func(r *storage.KeyRing) map[string]storage.Key {
		m := map[string]storage.Key{}
		for _, k := range r.Keys {
			m[k.ID] = k
		}
		return m
	}
	stored := kids(ring)
	made := map[uint64]*ringChange{}
	ends := map[string]time.Time{} // of keys, as the last ring to have them says
	match := ring.Revision == 0
	slices.SortStableFunc(a.book.rings, func(x, y *ringChange) int { return cmp.Compare(x.ring.Revision, y.ring.Revision) })
	for _, c := range a.book.rings {
		if c.outcome == refused {
			continue
		}
		agrees := c.ring.Revision == ring.Revision && len(c.ring.Keys) == len(stored)
		for id := range kids(&c.ring) {
			_, there := stored[id]
			agrees = agrees && there
		}
		match = match || agrees
		if c.outcome != done {
			continue
		}
		if other := made[c.ring.Revision]; other != nil {
			a.found.found(doubled, c.name, "key ring %d was made by %s as well", c.ring.Revision, other.name)
		}
		made[c.ring.Revision] = c
		if c.ring.Revision > ring.Revision {
			a.found.found(lost, c.name, "key ring %d was acknowledged, and %d is stored", c.ring.Revision, ring.Revision)
		}
		for id, k := range kids(&c.ring) {
			ends[id] = k.ExpiresAt
		}
	}
	if !match {
		a.found.found(doubled, fmt.Sprint("key ring ", ring.Revision), "what is stored is not what any server made")
	}
	for id, end := range ends {
		if _, there := stored[id]; !there && (end.IsZero() || a.now.Before(end)) {
			a.found.found(lost, "key "+id, "it is not in the key ring any more")
		}
	}
	return nil
}

// judgeClients makes sure that registered clients are as they were registered last.
func (a *auditor) judgeClients() error {
	for id, list := range a.book.clients {
		// One worker has each client to itself and waits for its answers, but asks now this
		// server and now that.
		slices.SortStableFunc(list, func(x, y *clientChange) int { return cmp.Compare(x.asked, y.asked) })
		may := map[string]bool{}
		acknowledged := false
		for _, c := range list {
			switch c.outcome {
			case done:
				clear(may)
				acknowledged = true
				may[c.called] = true
			case unknown:
				may[c.called] = true
			}
		}
		client, err := a.store.Client(a.ctx, id)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			if acknowledged {
				a.found.found(lost, "client "+id, "it was registered")
			}
		case err != nil:
			return fmt.Errorf("looking for client %s: %w", id, err)
		case !may[client.Name]:
			a.found.found(lost, "client "+id, "it is called %q, which is not its latest name", client.Name)
		}
	}
	return nil
}
