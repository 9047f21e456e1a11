package engine

import (
	"context"
	"time"

	"github.com/ory/fosite"
)

// issuer is a grant handler of fosite's that makes tokens without two things that cost
// more than the tokens, and that nobody looks at: a copy of the request for each of them,
// to be stored, where the unit of work has noted a record of our own; and the members of
// an answer that the server writes itself.
type issuer struct{ fosite.TokenEndpointHandler }

func (h issuer) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, to fosite.AccessResponder) error {
	return h.TokenEndpointHandler.PopulateTokenEndpointResponse(ctx, uncopied{r.(*fosite.AccessRequest)}, tokensOnly{to.(*fosite.AccessResponse)})
}

type uncopied struct{ *fosite.AccessRequest }

func (r uncopied) Sanitize([]string) fosite.Requester { return r }

// tokensOnly is told the tokens, because fosite makes sure that there are some.
type tokensOnly struct{ *fosite.AccessResponse }

func (tokensOnly) SetExtra(string, any)       {}
func (tokensOnly) SetExpiresIn(time.Duration) {}
func (tokensOnly) SetScopes(fosite.Arguments) {}
