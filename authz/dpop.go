package authz

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/storage"
)

// proofSlack is how much longer than a proof is good the mark stays that it was used, for
// replicas whose clocks disagree. A clock that is set back by more cannot be made up for
// here: there are as many marks as requests, and a proof is of no use without the code or
// token that it came with.
const proofSlack = 5 * time.Minute

// checkProof checks the DPoP header of a request to the endpoint of this name, such as /token
// (RFC 9449 §4.3). nil means that there was none. That it is used once is for the caller to
// see to, in the commit of what it yields: see useProof.
func (s *Server) checkProof(ctx context.Context, req *Request, endpoint string) (*dpop.Proof, *Error) {
	if len(req.DPoP) == 0 || !s.config.DPoP {
		return nil, nil
	}
	proof, err := dpop.Check(ctx, req.DPoP, dpop.Expected{
		Method: http.MethodPost,
		URLs:   s.urlsOf(endpoint),
		Nonces: s.nonces,
		Now:    s.now(),

		Algorithms: s.config.proofAlgs(),
	})
	var refused *dpop.Error
	switch {
	case err == nil:
		return proof, nil
	case errors.As(err, &refused):
		return nil, proofRefused(refused)
	}
	return nil, unavailable(err)
}

// urlsOf are the URLs under which clients reach an endpoint.
func (s *Server) urlsOf(endpoint string) []string {
	urls := []string{s.config.Issuer + s.config.Prefix + endpoint}
	if s.config.MutualTLSOrigin != "" {
		urls = append(urls, s.config.MutualTLSOrigin+s.paths.prefix+endpoint)
	}
	return urls
}

// proofRefused is RFC 9449 §5 and §8.
func proofRefused(e *dpop.Error) *Error {
	if e.Code == useDPoPNonce {
		return failed(useDPoPNonce, e.Reason, "The DPoP proof needs the nonce that came in the DPoP-Nonce header.").because(e)
	}
	return failed(invalidDPoPProof, e.Reason, "The DPoP proof is not valid for this request.").because(e)
}

// usedProof is the mark that a proof was used. The key is part of its name, so that nobody
// can use up what others will call theirs.
func usedProof(p *dpop.Proof, at time.Time) storage.Code {
	until := p.ExpiresAt.Add(proofSlack)
	return storage.Code{
		Digest: storage.NewDigest(until, "dpop proof:"+p.JKT+"\x00"+p.ID), Kind: storage.SeenOnce,
		IssuedAt: at, ExpiresAt: until,
	}
}

// Confirms reports whether the request proves to hold what a code is bound to.
func (p *tokenPolicy) Confirms(confirmation []byte) bool { return p.held.confirms(confirmation) }

// useProof adds to a Write that the request's proof is used, and reports whether there is
// one. It is ErrExists if it has been before.
func (p *tokenPolicy) useProof(w *storage.Write) bool {
	if p.proof == nil {
		return false
	}
	w.Codes = append(w.Codes, usedProof(p.proof, p.at))
	return true
}

// UseProof notes that a proof is used at a resource server in this process: the server is a
// dpop.Replay whose memory all replicas share.
func (s *Server) UseProof(ctx context.Context, p *dpop.Proof) error {
	ctx, release := s.bounded(ctx)
	defer release()
	at := s.now()
	err := s.config.Storage.Commit(ctx, storage.Write{At: at, Codes: []storage.Code{usedProof(p, at)}})
	if errors.Is(err, storage.ErrExists) {
		return dpop.Replayed()
	}
	return err
}

// DPoPNonces are those that clients have to put into their proofs (RFC 9449 §8), here and at
// resource servers in this process, which live at the same origin and would otherwise each
// refuse the other's. nil if Config.DPoPNonces is off.
func (s *Server) DPoPNonces() *dpop.Nonces { return s.nonces }

// checkDPoPKey: RFC 9449 §10, dpop_jkt is the base64url form of a SHA-256 hash.
func (a *authorization) checkDPoPKey(context.Context) *Error {
	if b, err := strictBase64.DecodeString(a.dpopKey().Key); err != nil || len(b) != 0 && len(b) != 32 {
		return failed(invalidRequest, "dpop_jkt_malformed", "The dpop_jkt is not the base64url form of a SHA-256 hash.")
	}
	return nil
}

// dpopKey is the key that the code will be bound to.
func (a *authorization) dpopKey() (c confirmation) {
	if a.config.DPoP {
		c.Key = once(a.params, "dpop_jkt")
	}
	return c
}
