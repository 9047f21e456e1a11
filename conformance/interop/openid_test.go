package interop_test

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// signedInAgo is how long ago ana has signed in, unless a client wants her to do so again.
const signedInAgo = 10 * time.Minute

// openIDHost is a host that tells sites who its users are, with a clock that can be put
// forward.
type openIDHost struct {
	*host
	ahead atomic.Int64
}

func (h *openIDHost) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// newOpenIDHost knows a site for each way to sign, and one that wants UserInfo signed.
func newOpenIDHost(t *testing.T, configure ...func(*authz.Config)) *openIDHost {
	t.Helper()
	h := &openIDHost{}
	withOpenID := func(c *authz.Config) {
		scopes := []string{"openid", "profile", "email", "offline_access"}
		c.Scopes = maps.Clone(c.Scopes)
		for _, scope := range scopes {
			c.Scopes[scope] = scope
		}
		site := c.Clients[0] // web
		site.Scopes = scopes
		for id, alg := range map[string]string{"site": "", "site-rs256": "RS256", "site-es256": "ES256", "site-eddsa": "EdDSA"} {
			site.ID, site.IDTokenSignedResponseAlg = id, alg
			c.Clients = append(c.Clients, site)
			site.ID, site.UserInfoSignedResponseAlg = id+"-signed", alg
			if alg != "" {
				c.Clients = append(c.Clients, site)
			}
			site.UserInfoSignedResponseAlg = ""
		}
		c.ClaimsSupported = []string{"name", "email", "email_verified"}
		c.UserClaims = func(context.Context, *authz.UserClaimsRequest) (map[string]any, error) {
			return map[string]any{"name": "Ana Example", "email": "ana@example.com", "email_verified": true}, nil
		}
		c.Login = func(r *http.Request) (*authz.User, error) {
			at := h.now().Add(-signedInAgo)
			if authz.MustSignInAgain(r) {
				at = h.now()
			}
			return &authz.User{Subject: "ana", AuthTime: at}, nil
		}
		c.Clock = h.now
	}
	h.host = newHost(t, append([]func(*authz.Config){withOpenID}, configure...)...)
	h.Config.Handler.(*http.ServeMux).HandleFunc("POST /clock", func(w http.ResponseWriter, r *http.Request) {
		seconds, err := strconv.ParseInt(r.FormValue("seconds"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.ahead.Store(seconds * int64(time.Second))
		w.WriteHeader(http.StatusNoContent)
	})
	return h
}

// The same libraries as in TestJavaScript, as sites that sign users in.
func TestJavaScriptOpenID(t *testing.T) {
	for _, script := range []string{"oauth4webapi_openid.mjs", "openid_client_openid.mjs"} {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			h := newOpenIDHost(t)
			cases := strings.Fields(node(t, h.env(), script, "-list"))
			if len(cases) < 5 {
				t.Fatalf("only %q", cases)
			}
			for _, name := range cases {
				at := h
				if name == "key_rotation" { // which moves the clock
					at = newOpenIDHost(t)
				}
				t.Run(name, func(t *testing.T) { node(t, at.env(), script, name) })
			}
		})
	}
}
