package storage

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
)

// Join makes one [Store] of parts from different places, such as clients from the
// host's own database and the rest from a ready-made backend:
//
//	store := storage.Join(myClients, db, db, db)
//
// When codes and tokens are the same backend, a Write stays one commit. When they
// are not, its codes are committed first and the rest second: a crash in between
// may cost a user another sign-in, and never lets one code yield two sets of
// tokens. Close closes every part that is an io.Closer. The whole can tell its epoch
// ([Epochs]) if every part can.
func Join(clients Clients, codes Codes, tokens Tokens, keys Keys) Store {
	j := &joined{Clients: clients, codes: codes, tokens: tokens, keys: keys}
	for _, part := range []any{clients, codes, tokens, keys} {
		if !slices.ContainsFunc(j.parts, func(other any) bool { return same(part, other) }) {
			j.parts = append(j.parts, part)
		}
	}
	return j
}

type joined struct {
	Clients
	codes  Codes
	tokens Tokens
	keys   Keys
	parts  []any // each of them once
}

func (j *joined) Keys(ctx context.Context) (*KeyRing, error)       { return j.keys.Keys(ctx) }
func (j *joined) SwapKeys(ctx context.Context, ring KeyRing) error { return j.keys.SwapKeys(ctx, ring) }

func (j *joined) Code(ctx context.Context, d Digest) (*Code, error)   { return j.codes.Code(ctx, d) }
func (j *joined) Token(ctx context.Context, d Digest) (*Token, error) { return j.tokens.Token(ctx, d) }

func (j *joined) Grant(ctx context.Context, grantID string) (*Grant, error) {
	return j.tokens.Grant(ctx, grantID)
}

func (j *joined) ListGrants(ctx context.Context, subject, after string, limit int) ([]Grant, error) {
	return j.tokens.ListGrants(ctx, subject, after, limit)
}

func (j *joined) Consent(ctx context.Context, subject, clientID string) (*Consent, error) {
	return j.tokens.Consent(ctx, subject, clientID)
}

func (j *joined) ListConsents(ctx context.Context, subject, after string, limit int) ([]Consent, error) {
	return j.tokens.ListConsents(ctx, subject, after, limit)
}

func (j *joined) ListNotices(ctx context.Context, before string, limit int) ([]Notice, error) {
	return j.tokens.ListNotices(ctx, before, limit)
}

func (j *joined) Commit(ctx context.Context, w Write) error {
	if same(j.codes, j.tokens) {
		return j.tokens.Commit(ctx, w)
	}
	first := Write{At: w.At, ConsumeCodes: w.ConsumeCodes, Codes: w.Codes}
	then := w
	then.ConsumeCodes, then.Codes = nil, nil
	if len(first.ConsumeCodes)+len(first.Codes) > 0 {
		// The grant may be dead already: find out before the code is used up. The
		// commit below decides; this only spares the user a needless retry.
		if len(then.Live)+len(then.Unended) > 0 {
			if err := j.tokens.Commit(ctx, Write{At: w.At, Live: then.Live, Unended: then.Unended}); err != nil {
				return err
			}
		}
		if err := j.codes.Commit(ctx, first); err != nil {
			return err
		}
	}
	return j.tokens.Commit(ctx, then)
}

// Epoch is the sum of the parts' epochs. They only grow; so if one has grown between two
// calls, the sum has, whatever the others did while they were asked.
func (j *joined) Epoch(of any) (epoch uint64, known bool) {
	if of != any(j) {
		return 0, false
	}
	for _, part := range j.parts {
		e, ok := part.(Epochs)
		if !ok {
			return 0, false
		}
		n, known := e.Epoch(part)
		if !known {
			return 0, false
		}
		epoch += n
	}
	return epoch, true
}

func (j *joined) Close() error {
	var errs []error
	for _, part := range j.parts {
		if c, ok := part.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// same reports whether a and b are one and the same backend.
func same(a, b any) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	return va.IsValid() && vb.IsValid() && va.Type() == vb.Type() && va.Comparable() && va.Equal(vb)
}
