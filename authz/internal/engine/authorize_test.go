package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
)

// state is the client's own, and optional. fosite wants eight characters, looks at it
// last, and hands out a request together with the error that would work as well.
func TestState_RFC6749_4_1_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, state := range []string{"-", "", "1234567"} {
			got := r.authorize(t, authorizationParameters(publicID, "state", state))
			fact(t, got.params.Get("error") == "invalid_state", "placeholderState in authorize.go", got)
		}
		params := authorizationParameters(publicID, "state", "-")
		ar, err := r.NewAuthorizeRequest(t.Context(), httptest.NewRequest(http.MethodGet, "/?"+params.Encode(), nil))
		if err == nil {
			t.Fatal("no error")
		}
		response, err := r.NewAuthorizeResponse(t.Context(), ar, r.session("ana"))
		fact(t, err == nil && response.GetCode() != "", "nothing", err)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		got := s.authorize(t, authorizationParameters(publicID, "state", "-"))
		if _, sent := got.params["state"]; got.params.Get("code") == "" || sent {
			t.Errorf("without a state: %s", got.location)
		}
		for _, state := range []string{"s", "1234567", "&#<>\"'+ %00%", "\x00\x01\n", "\u00e9\u2028", strings.Repeat("&", 4<<10)} {
			got := s.authorize(t, authorizationParameters(publicID, "state", state))
			if got.params.Get("code") == "" || got.params.Get("state") != state {
				t.Errorf("state %.40q came back as %.40q (%s)", state, got.params.Get("state"), got.failure())
			}
			got = s.authorize(t, authorizationParameters(publicID, "state", state, "scope", "unknown"))
			if wantSent(t, got, "invalid_scope"); got.params.Get("state") != state {
				t.Errorf("state %.40q came back as %.40q with an error", state, got.params.Get("state"))
			}
		}
	})
}

// What is sent back has to fit into a URL. fosite sends back anything.
func TestStateTooLong_RFC6749_4_1_2(t *testing.T) {
	state := strings.Repeat("s", 64<<10)
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).authorize(t, authorizationParameters(publicID, "state", state))
		fact(t, got.params.Get("state") == state, "checkState in authz/authorization.go", got.failure())
	})
	t.Run("ours", func(t *testing.T) {
		wantPage(t, newOurs(t).authorize(t, authorizationParameters(publicID, "state", state)), "invalid_request")
	})
}

// Nobody has tried to authenticate at this endpoint, and there is a person to talk to.
func TestUnknownClient_RFC6749_4_1_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).authorize(t, authorizationParameters("nobody"))
		fact(t, got.status == http.StatusUnauthorized && got.failure() == "invalid_client", "checkClient in authz/authorization.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, clientID := range []string{"nobody", "-", "", strings.ToUpper(publicID), publicID + " ", publicID + "\x00"} {
			wantPage(t, s.authorize(t, authorizationParameters(publicID, "client_id", clientID)), "invalid_request")
		}
	})
}

func TestMissingResponseType_RFC6749_4_1_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).authorize(t, authorizationParameters(publicID, "response_type", "-"))
		fact(t, got.failure() == "unsupported_response_type", "checkResponseType in authz/authorization.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, sent := range []string{"-", ""} {
			wantSent(t, s.authorize(t, authorizationParameters(publicID, "response_type", sent)), "invalid_request")
		}
	})
}

// fosite delivers the news that it does not do form_post by form_post.
func TestResponseModeRefused_OAuthMultipleResponseTypes_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).authorize(t, authorizationParameters(publicID, "response_mode", "form_post"))
		fact(t, got.location == "" && strings.HasPrefix(got.header.Get("Content-Type"), "text/html"), "checkResponseMode in authz/authorization.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, mode := range []string{"fragment", "fragment.jwt", "web_message", "Query"} {
			got := s.authorize(t, authorizationParameters(publicID, "response_mode", mode))
			if wantSent(t, got, "invalid_request"); strings.Contains(got.location, "#") {
				t.Errorf("by fragment: %s", got.location)
			}
		}
		if got := s.authorize(t, authorizationParameters(publicID, "response_mode", "query")); got.params.Get("code") == "" {
			t.Errorf("response_mode=query: %+v", got)
		}
	})
}

// Without the scope openid fosite acts on the outer parameters and leaves the request
// object, which is what the client signed, unread.
func TestRequestObject_OpenIDConnectCore_3_1_2_6(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, name := range []string{"request", "request_uri"} {
			got := r.authorize(t, authorizationParameters(publicID, name, "https://client.example/request"))
			fact(t, got.params.Get("code") != "", "checkUnsupported in authz/authorization.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, name := range []string{"request_uri", "registration"} {
			got := s.authorize(t, authorizationParameters(publicID, name, "https://client.example/request"))
			wantSent(t, got, name+"_not_supported")
		}
		// What could not be read does not say where to go.
		got := s.authorize(t, authorizationParameters(publicID, "request", "https://client.example/request"))
		want(t, got, http.StatusBadRequest, "invalid_request_object")
		unknown := authorizationParameters(publicID, "request_uri", "urn:ietf:params:oauth:request_uri:x")
		want(t, s.authorize(t, unknown), http.StatusBadRequest, "invalid_request_uri")
	})
}

// A client that talks to several servers has to know which one answered.
func TestIssuerInResponse_RFC9207_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, scope := range []string{allScopes, "unknown"} {
			got := r.authorize(t, authorizationParameters(publicID, "scope", scope))
			fact(t, got.location != "" && got.params.Get("iss") == "", "iss in authorization.redirect", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, change := range [][]string{
			{}, {"scope", "unknown"}, {"code_challenge", "-"}, {"response_type", "-"}, {"response_type", "token"},
			{"resource", "x"}, {"prompt", "none login"}, {"registration", "x"}, {"response_mode", "fragment"},
		} {
			got := s.authorize(t, authorizationParameters(publicID, change...))
			if iss := got.params["iss"]; len(iss) != 1 || iss[0] != issuer {
				t.Errorf("%v: iss %v", change, iss)
			}
		}
		if !s.Metadata().AuthorizationResponseIssParameterSupported {
			t.Error("not advertised (§3)")
		}
	})
}

// A client that asks for silence gets a code from fosite where the user was never asked:
// without openid the parameter is not read.
func TestPromptNone_OpenIDConnectCore_3_1_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{all: true})
		for _, prompt := range []string{"none", "none login"} {
			got := r.authorize(t, authorizationParameters(publicID, "prompt", prompt))
			fact(t, got.params.Get("code") != "", "checkPrompt in authz/authorization.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		none := authorizationParameters(publicID, "prompt", "none")
		wantSent(t, s.authorize(t, none), "consent_required")
		s.SignIn("")
		wantSent(t, s.authorize(t, none), "login_required")
		s.SignIn("ana")
		for _, prompt := range []string{"none login", "login none", "none consent"} {
			wantSent(t, s.authorize(t, authorizationParameters(publicID, "prompt", prompt)), "invalid_request")
		}
		s.code(t, publicID) // asked and remembered
		if got := s.authorize(t, none); got.params.Get("code") == "" {
			t.Errorf("after consent: %+v", got)
		}
	})
}

// noCodes is a store that cannot keep codes.
type noCodes struct{ rawStorage }

func (noCodes) CreateAuthorizeCodeSession(context.Context, string, fosite.Requester) error {
	return errDown
}

// The client may try again, which server_error does not say.
func TestStoreFailureAtAuthorization_RFC6749_4_1_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{store: noCodes{newSlowStore(t)}}).authorize(t, authorizationParameters(publicID))
		fact(t, got.failure() == "server_error", "unavailable in authz/error.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		s.store.fail("Commit")
		wantSent(t, s.authorize(t, authorizationParameters(publicID)), "temporarily_unavailable")
		s.store.mend()
		if grants, err := s.Store.ListGrants(t.Context(), "ana", "", 9); err != nil || len(grants) > 0 {
			t.Errorf("half done: %v %v", grants, err)
		}
	})
}

// fosite stores a code before PKCE has been looked at, and for every request it says
// yes to; ours writes nothing before the user has.
func TestNothingStoredBeforeConsent(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{config: fosite.Config{EnforcePKCE: true}})
		got := r.authorize(t, authorizationParameters(publicID, "code_challenge", "-"))
		fact(t, got.failure() == "invalid_request" && len(r.memory.AuthorizeCodes) == 1, "nothing", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		before := s.store.commits
		for _, subject := range []string{"", "ana"} {
			s.SignIn(subject)
			for _, change := range [][]string{{}, {"code_challenge", "-"}, {"scope", "unknown"}, {"client_id", "nobody"}, {"redirect_uri", "x"}} {
				params := authorizationParameters(publicID, change...)
				r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
				_, _ = s.Server.Server.Authorize(t.Context(), &authz.AuthorizationRequest{Parameters: params, HTTP: r, Browser: "b"})
			}
		}
		if n := s.store.commits - before; n != 0 {
			t.Errorf("%d commits", n)
		}
	})
}

// A parameter that is not text is refused and never repeated; the state alone is the
// client's business, as long as it is text.
func TestParametersAreText_RFC6749_AppendixA(t *testing.T) {
	const broken = "a\xff\xfeb"
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.authorize(t, authorizationParameters(publicID, "state", broken+broken, "unknown", broken))
		fact(t, got.params.Get("code") != "" && got.params.Get("state") == broken+broken, "checkParameters in authz/parameters.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, name := range []string{"state", "scope", "unknown", "prompt", "resource"} {
			for _, value := range []string{broken, "\xc0\xaf", "\xed\xa0\x80"} {
				wantSent(t, s.authorize(t, authorizationParameters(publicID, name, value)), "invalid_request")
			}
		}
		for _, name := range []string{"scope", "unknown", "\xff"} {
			for _, value := range []string{"\x00", "\ufeffread", "a\u0085b"} {
				wantSent(t, s.authorize(t, authorizationParameters(publicID, name, value)), "invalid_request")
			}
		}
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {publicID}, "refresh_token": {broken}}
		want(t, s.token(t, form), http.StatusBadRequest, "invalid_request")
	})
}
