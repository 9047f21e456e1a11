package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// payment is a type of authorization details.
type payment struct {
	Type   string `json:"type"`
	Amount int    `json:"amount"`
	To     string `json:"to"`
}

func payments(c *authz.Config) {
	pay := authz.AuthorizationDetailsOf(
		func(_ context.Context, _ *authz.Client, p *payment) error {
			if p.Amount <= 0 || p.To == "" {
				return errors.New("amount and to are needed")
			}
			return nil
		},
		func(_ context.Context, p *payment) (string, error) {
			return fmt.Sprintf("Pay %d to %s", p.Amount, p.To), nil
		},
		func(granted, requested *payment) bool {
			return requested.To == granted.To && requested.Amount <= granted.Amount
		},
	)
	c.AuthorizationDetails = map[string]authz.AuthorizationDetailsType{"payment": pay, "other": pay}
}

// newPayServer has clients that may ask for payments.
func newPayServer(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServer(t, append(configure, payments)...)
	for _, id := range []string{web, first, service} {
		s.change(t, id, func(c *authz.Client) { c.AuthorizationDetailsTypes = []string{"payment"} })
	}
	return s
}

const pay12, pay5, pay13 = `[{"type":"payment","amount":12,"to":"shop"}]`, `[{"type":"payment","amount":5,"to":"shop"}]`, `[{"type":"payment","amount":13,"to":"shop"}]`

func details(json string) edit { return set("authorization_details", json) }

// RFC 9396 §5: refused, at each endpoint that takes them.
func TestRFC9396_Section5(t *testing.T) {
	s := newPayServer(t)
	const malformed, notAllowed, notValid = "authorization_details_malformed", "authorization_details_type_not_allowed", "authorization_details_not_valid"
	for param, reason := range map[string]string{
		"x": malformed, "{}": malformed, "[]": malformed, "null": malformed, "[1]": malformed, "[[]]": malformed, "[null]": malformed,
		`[{}]`: malformed, `[{"type":1}]`: malformed, `[{"type":""}]`: malformed, `[{"Type":"payment"}]`: malformed,
		`[{"type":"unknown"}]`: notAllowed, `[{"type":"other","amount":1,"to":"a"}]`: notAllowed, `[{"type":"Payment"}]`: notAllowed,
		`[{"type":"payment","type":"payment","amount":1,"to":"a"}]`:           malformed,
		`[{"type":"payment","amount":1,"Amount":2,"to":"a"}]`:                 malformed,
		`[{"type":"payment","amount":1,"to":{"a":{"b":1,"b":2}}}]`:            malformed,
		"[{\"type\":\"payment\",\"amount\":1,\"to\":{\"s\":1,\"\u017f\":2}}]": malformed, // which encoding/json takes for the same
		"[{\"type\":\"payment\",\"amount\":1,\"to\":{\"k\":1,\"\u212a\":2}}]": malformed,
		pay12 + "x": malformed, pay12 + pay12: malformed, "[" + strings.Repeat(pay12[1:len(pay12)-1]+",", 20) + pay12[1:]: malformed,
		`[{"type":"payment","to":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + `}]`: malformed,
		`[{"type":"payment","amount":0,"to":"a"}]`:                                                notValid,
		`[{"type":"payment","amount":"1","to":"a"}]`:                                              notValid,
		`[{"type":"payment","amount":1,"to":"a","x":1}]`:                                          notValid,
		`[{"type":"payment","amount":1,"to":"` + strings.Repeat("a", 4000) + `"}]`:                "authorization_details_too_long",
	} {
		want := "invalid_authorization_details " + reason
		response, err := s.authorize(web, details(param))
		if got := s.outcome(t, response, err); got != "back: "+want {
			t.Errorf("%.80s: %s, want %s", param, got, want)
		}
		_, err = s.push(web, details(param))
		wantRefusal(t, err, want)
		_, err = s.own(details(param))
		wantRefusal(t, err, want)
	}
	response, err := s.authorize(spa, details(pay12)) // which may ask for none
	if got := s.outcome(t, response, err); got != "back: invalid_authorization_details "+notAllowed {
		t.Error(got)
	}
	response, err = newServer(t).authorize(web, details(pay12)) // the server has none
	if err != nil || !strings.Contains(response.Redirect, "error=invalid_authorization_details") {
		t.Errorf("%+v %v", response, err)
	}
}

// RFC 9396 §6, §7, §9: what was granted is in the token, its answer and its introspection;
// a token request may narrow it, never widen it.
func TestRFC9396_Section6(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			s := newPayServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
			prompt := s.page(t, web, details(pay12))
			if len(prompt.Details) != 1 || prompt.Details[0].Description != "Pay 12 to shop" || prompt.Details[0].Type != "payment" {
				t.Fatalf("%+v", prompt.Details)
			}
			response, err := s.submit(submission(prompt))
			code := back(t, response, err).Get("code")
			_, err = s.redeem(web, code, details(pay13))
			wantRefusal(t, err, "invalid_authorization_details authorization_details_not_granted")
			tokens := must(s.redeem(web, code))(t)
			s.carries(t, tokens, pay12)

			_, err = s.refresh(web, tokens.RefreshToken, details(pay13))
			wantRefusal(t, err, "invalid_authorization_details authorization_details_not_granted")
			narrow := must(s.refresh(web, tokens.RefreshToken, details(pay5)))(t)
			s.carries(t, narrow, pay5)
			again := must(s.refresh(web, tokens.RefreshToken, details(pay5)))(t)
			if again.AccessToken != narrow.AccessToken || string(again.AuthorizationDetails) != pay5 {
				t.Errorf("the same refresh again: %s", again.AuthorizationDetails)
			}
			tokens = must(s.refresh(web, narrow.RefreshToken))(t) // the authorization is as wide as ever
			s.carries(t, tokens, pay12)

			s.change(t, web, func(c *authz.Client) { c.AuthorizationDetailsTypes = nil })
			if tokens = must(s.refresh(web, tokens.RefreshToken))(t); tokens.AuthorizationDetails != nil {
				t.Errorf("what the client has lost is issued: %s", tokens.AuthorizationDetails)
			}
		})
	}
	s := newPayServer(t)
	_, err := s.redeem(web, s.code(t, web), details(pay5))
	wantRefusal(t, err, "invalid_authorization_details authorization_details_not_granted")
	own := must(s.own(details(pay5)))(t) // §5, client_credentials
	s.carries(t, own, pay5)
}

// carries checks the details of an access token, wherever they are told.
func (s *server) carries(t testing.TB, tokens *authz.TokenResponse, want string) {
	t.Helper()
	if string(tokens.AuthorizationDetails) != want {
		t.Errorf("the answer has %s, want %s", tokens.AuthorizationDetails, want)
	}
	if encoded, err := json.Marshal(tokens); err != nil || string(tokens.AppendJSON(nil)) != string(encoded) {
		t.Errorf("wrote     %s\njson wrote %s", tokens.AppendJSON(nil), encoded)
	}
	verified := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
	answer := must(s.Introspect(t.Context(), request(rs, form(nil, "token", tokens.AccessToken))))(t)
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	for where, got := range map[string]any{"token": verified.Claims["authorization_details"], "introspection": answer["authorization_details"]} {
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Errorf("the %s has %v, want %v", where, got, wanted)
		}
	}
}

// Each is a question of its own: no consent is remembered for it.
func TestAuthorizationDetails_are_always_asked_for(t *testing.T) {
	s := newPayServer(t)
	s.code(t, web, details(pay12))
	response, err := s.authorize(web, details(pay12))
	if got := s.outcome(t, response, err); got != "ask" {
		t.Error(got)
	}
	sub := submission(response.Consent)
	sub.Scopes = nil // the details alone
	response, err = s.submit(sub)
	tokens := must(s.redeem(web, back(t, response, err).Get("code")))(t)
	if tokens.Scope != "" || string(tokens.AuthorizationDetails) != pay12 {
		t.Errorf("%q %s", tokens.Scope, tokens.AuthorizationDetails)
	}
	response, err = s.authorize(first, details(pay12))
	if got := s.outcome(t, response, err); got != "code" {
		t.Error(got)
	}
	response, err = s.visit(referTo(web, must(s.push(web, details(pay12)))(t)))
	if got := s.outcome(t, response, err); got != "ask" || len(response.Consent.Details) != 1 {
		t.Error(got)
	}
}

// A type that nobody checks or understands, and a hook that is wrong.
func TestAuthorizationDetails_hooks(t *testing.T) {
	for name, hook := range map[string]authz.AuthorizationDetailsType{
		"another type": {Validate: func(context.Context, *authz.Client, json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{"type":"x"}`), nil
		}},
		"no JSON": {Validate: func(context.Context, *authz.Client, json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{`), nil
		}},
		"too much to show": {Validate: func(_ context.Context, _ *authz.Client, d json.RawMessage) (json.RawMessage, error) { return d, nil }},
		"nothing to show":  {Validate: func(_ context.Context, _ *authz.Client, d json.RawMessage) (json.RawMessage, error) { return d, nil }},
	} {
		said := " "
		if name == "too much to show" {
			said = strings.Repeat("x", 1001)
		}
		hook.Describe = func(context.Context, json.RawMessage) (string, error) { return said, nil }
		s := newServer(t, payments, func(c *authz.Config) { c.AuthorizationDetails["payment"] = hook })
		s.change(t, web, func(c *authz.Client) { c.AuthorizationDetailsTypes = []string{"payment"} })
		response, err := s.authorize(web, details(pay12))
		if got := s.outcome(t, response, err); got != "back: server_error authorization_details_hook_failed" {
			t.Errorf("%s: %s", name, got)
		}
	}
	_, err := authz.New(authz.Config{AuthorizationDetails: map[string]authz.AuthorizationDetailsType{"payment": {}}})
	if err == nil || !strings.Contains(err.Error(), "Config.AuthorizationDetails") {
		t.Error(err)
	}
	s := newPayServer(t)
	if err := s.RegisterClient(t.Context(), authz.Client{ID: "x", RedirectURIs: []string{"https://x.example/cb"}, AuthorizationDetailsTypes: []string{"nope"}}); err == nil {
		t.Error("a client with an unknown type was registered")
	}
	if got := s.Metadata().AuthorizationDetailsTypesSupported; fmt.Sprint(got) != "[other payment]" {
		t.Error(got)
	}
}

// Whatever is sent, the answer is a token or a refusal.
func FuzzAuthorizationDetails(f *testing.F) {
	for _, seed := range []string{pay12, pay5, "", "[", "[{}]", `[{"type":"payment","type":"x"}]`, `[{"type":"payment","amount":1e400,"to":"\ud800"}]`, strings.Repeat("[", 100)} {
		f.Add(seed)
	}
	s := newPayServer(f)
	f.Fuzz(func(t *testing.T, param string) {
		tokens, err := s.own(details(param))
		var refused *authz.Error
		switch {
		case err == nil && len(tokens.AuthorizationDetails) > 0 && !json.Valid(tokens.AuthorizationDetails):
			t.Errorf("issued %q", tokens.AuthorizationDetails)
		case err != nil && (!errors.As(err, &refused) || refused.Status >= 500):
			t.Error(err)
		}
	})
}

// RFC 9396 §1: wherever a request has a scope, it may have authorization_details; so at the
// device authorization endpoint, whose user is shown them.
func TestRFC9396_Section1_device(t *testing.T) {
	for _, f := range bothFormats {
		s := newDeviceServer(t, payments, format(f), func(c *authz.Config) {
			for i := range c.Clients {
				c.Clients[i].AuthorizationDetailsTypes = []string{"payment"}
			}
		})
		_, err := s.AuthorizeDevice(t.Context(), request(tv, form(nil, "authorization_details", `[{"type":"other","amount":1,"to":"a"}]`)))
		wantRefusal(t, err, "invalid_authorization_details authorization_details_type_not_allowed")
		d := s.device(t, tv, details(pay12))
		page := must(s.typed(d.UserCode))(t).Confirm
		if len(page.Details) != 1 || page.Details[0].Description != "Pay 12 to shop" {
			t.Errorf("%s: the page shows %+v", f, page.Details)
		}
		sub := s.asked(t, d.UserCode)
		sub.Scopes = []string{"offline_access"}
		if got := s.decide(sub); got != "approved" {
			t.Fatalf("%s: %s", f, got)
		}
		tokens := must(s.poll(tv, d.DeviceCode))(t)
		if string(tokens.AuthorizationDetails) != pay12 {
			t.Errorf("%s: granted %s", f, tokens.AuthorizationDetails)
		}
		narrow := must(s.token(refreshing(tv, tokens.RefreshToken, details(pay5))))(t)
		claim := must(json.Marshal(must(s.VerifyAccessToken(t.Context(), narrow.AccessToken))(t).Claims["authorization_details"]))(t)
		if string(narrow.AuthorizationDetails) != pay5 || string(claim) != `[{"amount":5,"to":"shop","type":"payment"}]` {
			t.Errorf("%s: narrowed to %s, claim %s", f, narrow.AuthorizationDetails, claim)
		}
		if said := s.introspect(t, rs, narrow.AccessToken); fmt.Sprint(said["authorization_details"]) == "<nil>" {
			t.Errorf("%s: introspection says %v", f, said)
		}
	}
}

// Those of an assertion's token are what the host leaves of what was asked for.
func TestRFC9396_Section6_assertion(t *testing.T) {
	s := newBearer(t, payments)
	s.change(t, service, func(c *authz.Client) { c.AuthorizationDetailsTypes = []string{"payment"} })
	tokens := must(s.token(bearing(service, s.foreign(t, nil), details(pay12))))(t)
	if string(tokens.AuthorizationDetails) != pay12 {
		t.Errorf("granted %s", tokens.AuthorizationDetails)
	}
	if got := s.bear(t, s.foreign(t, nil), details(`[{"type":"other"}]`)); got != "invalid_authorization_details authorization_details_type_not_allowed" {
		t.Error(got)
	}
}

// An exchange does not say what would become of them.
func TestTokenExchange_authorization_details(t *testing.T) {
	s := newExchange(t, payments)
	_, err := s.exchange(must(s.own())(t).AccessToken, details(pay12))
	wantRefusal(t, err, "invalid_authorization_details authorization_details_not_exchangeable")
}
