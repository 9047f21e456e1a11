package storagetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// scene is a store with one record of each kind in each state, and Writes that
// touch all of them.
type scene struct {
	k           *kit
	live        storage.Grant
	revoked     storage.Grant
	other       storage.Grant // live, of another user
	fresh       storage.Grant // not stored yet
	ended       string        // a subject whose authorizations were ended
	goodCode    storage.Code
	usedCode    storage.Code
	goodToken   storage.Token
	usedToken   storage.Token
	deadToken   storage.Token
	otherSigned storage.Digest
}

func newScene(k *kit) *scene {
	k.Helper()
	s := &scene{
		k: k, live: k.grant("alice", "app"), revoked: k.grant("alice", "app"),
		other: k.grant("bob", "app"), fresh: k.grant("carol", "app"), ended: "dave",
		goodCode: k.code("good"), usedCode: k.code("used"),
		goodToken: k.token("good"), usedToken: k.token("used"), deadToken: k.token("dead"),
		otherSigned: k.digest("signed"),
	}
	k.commit(storage.Write{
		Codes:    []storage.Code{s.goodCode, s.usedCode},
		Tokens:   []storage.Token{s.goodToken, s.usedToken, s.deadToken},
		Grants:   []storage.Grant{s.live, s.revoked, s.other},
		Consents: []storage.Consent{k.consent("bob", "app")},
		Notices:  []storage.Notice{k.notice("good"), k.notice("other")},
	})
	use := k.use("used", "old answer")
	use.ConsumeCodes = []storage.Digest{s.usedCode.Digest}
	use.Revoke = []storage.Revocation{{GrantID: s.revoked.ID, Reason: "before"}, {Token: s.deadToken.Digest}, {Subject: s.ended}}
	k.commit(use)
	s.usedCode.ConsumedAt = k.now
	s.usedToken.ConsumedAt, s.usedToken.Answer = k.now, []byte("old answer")
	s.deadToken.RevokedAt = k.now
	s.revoked.RevokedAt, s.revoked.RevokedReason = k.now, "before"
	return s
}

// everything is a Write that has all kinds of conditions and effects, and succeeds.
func (s *scene) everything() storage.Write {
	return storage.Write{
		At:            s.k.now.Add(time.Second),
		ConsumeCodes:  []storage.Digest{s.goodCode.Digest},
		ConsumeTokens: []storage.Consumption{{Digest: s.goodToken.Digest, Answer: []byte("new answer")}},
		Live:          []string{s.live.ID},
		Unended:       []storage.Unended{{Subject: "alice", ClientID: "app", Since: s.k.now.Add(-time.Second)}},
		TakeNotices:   []string{s.k.notice("good").ID},
		Codes:         []storage.Code{s.k.code("new")},
		Grants:        []storage.Grant{s.fresh},
		Tokens:        []storage.Token{s.k.token("new")},
		Notices:       []storage.Notice{s.k.notice("new")},
		Consents:      []storage.Consent{s.k.consent("carol", "app")},
		Revoke:        []storage.Revocation{{Subject: "bob", Reason: "now"}, {Token: s.otherSigned}, {GrantID: s.live.ID, Reason: "now"}},
	}
}

// part is what one backend is given of w: the codes and nothing else, or what is left.
func part(w storage.Write, codes bool) storage.Write {
	if codes {
		return storage.Write{At: w.At, ConsumeCodes: w.ConsumeCodes, Codes: w.Codes}
	}
	w.ConsumeCodes, w.Codes = nil, nil
	return w
}

// untouched checks that the scene is as newScene left it.
func (s *scene) untouched() {
	k := s.k
	k.Helper()
	k.wantCode(s.goodCode)
	k.wantCode(s.usedCode)
	k.wantToken(s.goodToken)
	k.wantToken(s.usedToken)
	k.wantToken(s.deadToken)
	k.wantGrant(s.live)
	k.wantGrant(s.revoked)
	k.wantGrant(s.other)
	k.wantConsent(k.consent("bob", "app"))
	c, err := k.store.Code(k.ctx, k.digest("new"))
	absent(k, c, err)
	t, err := k.store.Token(k.ctx, k.digest("new"))
	absent(k, t, err)
	t, err = k.store.Token(k.ctx, s.otherSigned)
	absent(k, t, err)
	g, err := k.store.Grant(k.ctx, s.fresh.ID)
	absent(k, g, err)
	k.wantGrants("carol")
	consent, err := k.store.Consent(k.ctx, "carol", "app")
	absent(k, consent, err)
	k.wantSceneNotices("good", "other")
}

// wantSceneNotices checks which notices are there, all of them due.
func (k *kit) wantSceneNotices(names ...string) {
	k.Helper()
	var want []storage.Notice
	for _, name := range names {
		want = append(want, k.notice(name))
	}
	slices.SortFunc(want, func(a, b storage.Notice) int { return strings.Compare(a.ID, b.ID) })
	k.wantNotices(k.now, want...)
}

// fault is a way in which everything can be made to fail.
type fault struct {
	name string
	list int // in the order of judgement
	want error
	add  func(s *scene, w *storage.Write)
}

// ofCodes tells that the fault is one for the backend of the codes.
func (f fault) ofCodes() bool { return strings.HasPrefix(f.name, "code_") }

// faults are in the order of judgement. Each is added behind what succeeds, so that a
// backend which applies as it judges is found out.
var faults = []fault{
	{"code_absent", 1, storage.ErrNotFound, func(s *scene, w *storage.Write) {
		w.ConsumeCodes = append(w.ConsumeCodes, s.k.digest("absent"))
	}},
	{"code_consumed", 1, storage.ErrConsumed, func(s *scene, w *storage.Write) {
		w.ConsumeCodes = append(w.ConsumeCodes, s.usedCode.Digest)
	}},
	{"token_absent", 2, storage.ErrNotFound, func(s *scene, w *storage.Write) {
		w.ConsumeTokens = append(w.ConsumeTokens, storage.Consumption{Digest: s.k.digest("absent")})
	}},
	{"token_revoked", 2, storage.ErrRevoked, func(s *scene, w *storage.Write) {
		w.ConsumeTokens = append(w.ConsumeTokens, storage.Consumption{Digest: s.deadToken.Digest})
	}},
	{"token_consumed", 2, storage.ErrConsumed, func(s *scene, w *storage.Write) {
		w.ConsumeTokens = append(w.ConsumeTokens, storage.Consumption{Digest: s.usedToken.Digest, Answer: []byte("x")})
	}},
	{"grant_absent", 3, storage.ErrNotFound, func(s *scene, w *storage.Write) {
		w.Live = append(w.Live, storage.NewGrantID(s.k.now.Add(time.Hour)))
	}},
	{"grant_revoked", 3, storage.ErrRevoked, func(s *scene, w *storage.Write) {
		w.Live = append(w.Live, s.revoked.ID)
	}},
	{"subject_ended", 4, storage.ErrRevoked, func(s *scene, w *storage.Write) {
		w.Unended = append(w.Unended, storage.Unended{Subject: s.ended, ClientID: "app", Since: s.k.now.Add(-time.Second)})
	}},
	{"notice_absent", 5, storage.ErrNotFound, func(s *scene, w *storage.Write) {
		w.TakeNotices = append(w.TakeNotices, s.k.notice("absent").ID)
	}},
	{"code_exists", 6, storage.ErrExists, func(s *scene, w *storage.Write) {
		w.Codes = append(w.Codes, s.k.code("used"))
	}},
	{"grant_exists", 6, storage.ErrExists, func(s *scene, w *storage.Write) {
		again := s.other
		again.Subject = "mallory"
		w.Grants = append(w.Grants, again)
	}},
	{"token_exists", 6, storage.ErrExists, func(s *scene, w *storage.Write) {
		w.Tokens = append(w.Tokens, s.k.token("used"))
	}},
	{"notice_exists", 6, storage.ErrExists, func(s *scene, w *storage.Write) {
		w.Notices = append(w.Notices, s.k.notice("other"))
	}},
}

var atomicChecks = slices.Concat([]check{
	{name: "atomic/all", run: func(k *kit) {
		s := newScene(k)
		w := s.everything()
		k.commit(w)
		s.goodCode.ConsumedAt = w.At
		k.wantCode(s.goodCode)
		s.goodToken.ConsumedAt, s.goodToken.Answer = w.At, []byte("new answer")
		k.wantToken(s.goodToken)
		k.wantCode(k.code("new"))
		k.wantToken(k.token("new"))
		k.wantGrant(s.fresh)
		k.wantConsent(k.consent("carol", "app"))
		s.live.RevokedAt, s.live.RevokedReason = w.At, "now"
		k.wantGrant(s.live)
		s.other.RevokedAt, s.other.RevokedReason = w.At, "now"
		k.wantGrant(s.other)
		consent, err := k.store.Consent(k.ctx, "bob", "app")
		absent(k, consent, err)
		k.wantSceneNotices("new", "other")
		k.wantToken(storage.Token{Digest: s.otherSigned, Kind: storage.RevokedToken, ExpiresAt: s.otherSigned.ExpiresAt(), RevokedAt: w.At})
	}},
	{name: "atomic/an_empty_write", run: func(k *kit) {
		k.commit(storage.Write{})
	}},
	{name: "atomic/order_of_judgement", run: func(k *kit) {
		s := newScene(k)
		for i, first := range faults {
			for _, second := range faults[i+1:] {
				w := s.everything()
				if k.h.Split {
					if first.ofCodes() != second.ofCodes() {
						continue
					}
					w = part(w, first.ofCodes())
				}
				first.add(s, &w)
				second.add(s, &w)
				if err := k.try(w); !errors.Is(err, first.want) {
					k.Fatalf("%s and %s: got %v, want %v", first.name, second.name, err, first.want)
				}
			}
		}
		s.untouched()
	}},
	{name: "atomic/order_within_a_list", run: func(k *kit) {
		s := newScene(k)
		for _, first := range faults {
			for _, second := range faults {
				if first.list != second.list || first.ofCodes() != second.ofCodes() {
					continue
				}
				w := part(s.everything(), first.ofCodes())
				first.add(s, &w)
				second.add(s, &w)
				if err := k.try(w); !errors.Is(err, first.want) {
					k.Fatalf("%s before %s: got %v, want %v", first.name, second.name, err, first.want)
				}
			}
		}
		s.untouched()
	}},
	{name: "atomic/revoking_comes_last", run: func(k *kit) {
		// It ends what the same Write adds.
		byID, bySubject, t := k.grant("alice", "app"), k.grant("bob", "app"), k.token("a")
		k.commit(storage.Write{
			Grants: []storage.Grant{byID, bySubject}, Tokens: []storage.Token{t}, Consents: []storage.Consent{k.consent("bob", "app")},
			Revoke: []storage.Revocation{{GrantID: byID.ID, Reason: "r"}, {Subject: "bob", Reason: "r"}, {Token: t.Digest}},
		})
		byID.RevokedAt, byID.RevokedReason, bySubject.RevokedAt, bySubject.RevokedReason = k.now, "r", k.now, "r"
		k.wantGrant(byID)
		k.wantGrant(bySubject)
		t.RevokedAt = k.now
		k.wantToken(t)
		c, err := k.store.Consent(k.ctx, "bob", "app")
		absent(k, c, err)
	}},
}, noneChecks())

// noneChecks has one check for each fault: nothing of the rest may happen.
func noneChecks() []check {
	var all []check
	for _, f := range faults {
		all = append(all, check{name: "atomic/none_after_" + f.name, run: func(k *kit) {
			s := newScene(k)
			w := s.everything()
			if k.h.Split {
				w = part(w, f.ofCodes())
			}
			f.add(s, &w)
			k.refuse(w, f.want)
			s.untouched()
			// What was to be consumed is still good.
			k.commit(s.everything())
		}})
	}
	return all
}
