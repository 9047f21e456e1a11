package authz

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// redeemAuthReqID: OpenID Connect CIBA Core §10.1, §11, for clients in poll and in ping mode
// alike. There is no urn:openid:params:jwt:claim:auth_req_id in the ID token, which is for push
// (§10.3.1).
func (s *Server) redeemAuthReqID(ctx context.Context, p *tokenPolicy) (*accessTokenAnswer, *Error) {
	if public(p.client) { // a host's own client storage may hold anything
		return nil, failed(unauthorizedClient, "public_client", descriptions[unauthorizedClient])
	}
	return s.redeemDecision(ctx, p, "auth_req_id", storage.BackchannelRequest, backchannelDecision)
}

// backchannelDecision names what the user decided about an auth_req_id.
func backchannelDecision(request storage.Digest) storage.Digest {
	return storage.NewDigest(request.ExpiresAt(), "backchannel decision:"+string(request[:]))
}
