package storage

import (
	"context"
	"errors"
	"io"
	"reflect"
)

// Join makes one [Store] of parts from different places, such as clients from the
// host's own database and the rest from a ready-made backend:
//
//	store := storage.Join(myClients, db, db, db)
//
// When codes and tokens are the same backend, a Write stays one commit. When they
// are not, its codes are committed first and the rest second: a crash in between
// may cost a user another sign-in, and never lets one code yield two sets of
// tokens. Close closes every part that is an io.Closer.
func Join(clients Clients, codes Codes, tokens Tokens, keys Keys) Store {
	return &joined{clients, codes, tokens, keys}
}

type joined struct {
	Clients
	codes  Codes
	tokens Tokens
	keys   Keys
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

func (j *joined) Close() error {
	var errs []error
	var closed []any
	for _, part := range []any{j.Clients, j.codes, j.tokens, j.keys} {
		c, ok := part.(io.Closer)
		if !ok {
			continue
		}
		done := false
		for _, other := range closed {
			done = done || same(part, other)
		}
		if !done {
			closed = append(closed, part)
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
