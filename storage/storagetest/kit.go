package storagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// kit is what a check works with: a store, and records to put into it.
type kit struct {
	testing.TB
	h     Harness
	store storage.Store
	ctx   context.Context

	// now is the kit's present. Nothing in the kit waits; it passes other times.
	now time.Time
}

// patience is how long a check may take. It turns a deadlock into a failure, if the
// backend heeds its context.
const patience = 30 * time.Second

func newKit(t testing.TB, h Harness) *kit {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &kit{TB: t, h: h, store: h.Open(t), ctx: ctx, now: time.Now().UTC().Truncate(time.Millisecond)}
}

func (k *kit) close() {
	if err := k.store.Close(); err != nil {
		k.Errorf("Close: %v", err)
	}
}

func (k *kit) reopen() {
	k.Helper()
	k.store = k.h.Reopen(k.TB, k.store)
}

// digest names a credential that the kit makes up, with a life of an hour.
func (k *kit) digest(name string) storage.Digest {
	return storage.NewDigest(k.now.Add(time.Hour), name)
}

func (k *kit) code(name string) storage.Code {
	return storage.Code{
		Digest: k.digest(name), Kind: storage.AuthorizationCode,
		ClientID: "app", GrantID: "0123", RedirectURI: "https://app.example/callback",
		CodeChallenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
		Answer:        []byte("answer"), RedirectURIOmitted: true,
		Request: []byte(`{"scope":"read"}`), Confirmation: []byte(`{"jkt":"x"}`), Nonce: "n-0S6_WzA2Mj",
		IssuedAt: k.now, ExpiresAt: k.now.Add(time.Hour),
	}
}

func (k *kit) token(name string) storage.Token {
	return storage.Token{
		Digest: k.digest(name), Kind: storage.RefreshToken,
		ClientID: "app", GrantID: "0123", Scopes: []string{"read", "write"},
		Resources: []string{"https://api.example/"}, Claims: []byte(`{"tenant":"t1"}`),
		Confirmation: []byte(`{"jkt":"x"}`), AuthorizationDetails: []byte(`[{"type":"t"}]`),
		Actor: []byte(`{"sub":"service"}`), Subject: "alice",
		IssuedAt: k.now, ExpiresAt: k.now.Add(time.Hour),
	}
}

func (k *kit) grant(subject, clientID string) storage.Grant {
	expires := k.now.Add(time.Hour)
	return storage.Grant{
		ID: storage.NewGrantID(expires), ClientID: clientID, Subject: subject,
		Scopes: []string{"read", "write"}, Resources: []string{"https://api.example/"},
		AuthTime: k.now.Add(-time.Minute), ACR: "urn:example:silver", AMR: []string{"pwd", "otp"},
		AuthorizationDetails: []byte(`[{"type":"t"}]`), Claims: []byte(`{"userinfo":{}}`), ClaimsLocales: "fr-CA en", SessionID: "s-1",
		CreatedAt: k.now, ExpiresAt: expires,
	}
}

func (k *kit) consent(subject, clientID string) storage.Consent {
	return storage.Consent{
		Subject: subject, ClientID: clientID, Scopes: []string{"read"},
		Resources: []string{"https://api.example/"}, GrantedAt: k.now,
	}
}

// commit applies w, which must succeed. At is now unless w has its own.
func (k *kit) commit(w storage.Write) {
	k.Helper()
	if err := k.try(w); err != nil {
		k.Fatalf("Commit: %v", err)
	}
}

// refuse applies w, which must fail with the given fact and no other.
func (k *kit) refuse(w storage.Write, fact error) {
	k.Helper()
	if err := k.try(w); !errors.Is(err, fact) {
		k.Fatalf("Commit: got %v, want %v", err, fact)
	}
}

func (k *kit) try(w storage.Write) error {
	if w.At.IsZero() {
		w.At = k.now
	}
	return k.store.Commit(k.ctx, w)
}

// wantCode and its kin read a record and compare it.
func (k *kit) wantCode(want storage.Code) {
	k.Helper()
	got, err := k.store.Code(k.ctx, want.Digest)
	k.want(got, err, &want)
}

func (k *kit) wantToken(want storage.Token) {
	k.Helper()
	got, err := k.store.Token(k.ctx, want.Digest)
	k.want(got, err, &want)
}

func (k *kit) wantGrant(want storage.Grant) {
	k.Helper()
	got, err := k.store.Grant(k.ctx, want.ID)
	k.want(got, err, &want)
}

func (k *kit) wantConsent(want storage.Consent) {
	k.Helper()
	got, err := k.store.Consent(k.ctx, want.Subject, want.ClientID)
	k.want(got, err, &want)
}

func (k *kit) wantClient(want storage.Client) {
	k.Helper()
	got, err := k.store.Client(k.ctx, want.ID)
	k.want(got, err, &want)
}

func (k *kit) want(got any, err error, want any) {
	k.Helper()
	if err != nil {
		k.Fatalf("reading a %T: %v", want, err)
	}
	if !equal(got, want) {
		k.Fatalf("got  %s\nwant %s", show(got), show(want))
	}
}

// absent takes what a look-up returned.
func absent[T any](k *kit, record *T, err error) {
	k.Helper()
	if !errors.Is(err, storage.ErrNotFound) || record != nil {
		k.Fatalf("looking up an absent %T: got %v, %v, want nil, ErrNotFound", *new(T), record, err)
	}
}

// gone tells whether a look-up found nothing; any other failure is fatal.
func gone[T any](k *kit, record *T, err error) bool {
	k.Helper()
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		k.Fatalf("looking up a %T: %v", *new(T), err)
	}
	return err != nil
}

// show prints a record, long ones cut.
func show(record any) string {
	s := fmt.Sprintf("%+v", record)
	if len(s) > 1000 {
		s = s[:1000] + "…"
	}
	return s
}
