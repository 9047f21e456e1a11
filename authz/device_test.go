package authz_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

const (
	tv         = "tv" // public, without a browser
	box        = "box"
	deviceCode = "urn:ietf:params:oauth:grant-type:device_code"
)

// RFC 8628 §3.2: what the device is told.
func TestRFC8628_Section3_2(t *testing.T) {
	s := newDeviceServer(t)
	d := s.device(t, tv)
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(d.UserCode) {
		t.Errorf("user_code %q", d.UserCode)
	}
	if d.VerificationURI != issuer+"/oauth2/device" || d.VerificationURIComplete != d.VerificationURI+"?user_code="+d.UserCode {
		t.Errorf("%q, %q", d.VerificationURI, d.VerificationURIComplete)
	}
	if d.ExpiresIn != 900 || d.Interval != 5 {
		t.Errorf("expires_in %d, interval %d", d.ExpiresIn, d.Interval)
	}
	m := s.Metadata()
	if m.DeviceAuthorizationEndpoint != issuer+"/oauth2/device_authorization" || !slices.Contains(m.GrantTypesSupported, deviceCode) {
		t.Errorf("metadata: %q %q", m.DeviceAuthorizationEndpoint, m.GrantTypesSupported)
	}
	for name, c := range map[string]struct {
		client string
		edit   edit
		want   string
	}{
		"another client's grant": {web, nil, "unauthorized_client grant_type_not_allowed"},
		"scope":                  {tv, set("scope", "admin"), "invalid_scope scope_not_allowed"},
		"resource":               {tv, set("resource", "https://elsewhere.example"), "invalid_target resource_unknown"},
		"repeated":               {tv, set("scope", "read", "write"), "invalid_request parameter_repeated"},
		"unknown client":         {"nobody", nil, "invalid_client client_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			var edits []edit
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			_, err := s.AuthorizeDevice(t.Context(), request(c.client, form(edits)))
			wantRefusal(t, err, c.want)
		})
	}
}

// Off unless it is turned on, and then nothing says it is there.
func TestDeviceGrant_off(t *testing.T) {
	s := newServer(t)
	if m := s.Metadata(); m.DeviceAuthorizationEndpoint != "" || slices.Contains(m.GrantTypesSupported, deviceCode) {
		t.Error("it is advertised")
	}
	_, err := s.poll(web, "x")
	wantRefusal(t, err, "unsupported_grant_type grant_type_not_supported")
	_, err = s.AuthorizeDevice(t.Context(), request(web, form(nil)))
	wantRefusal(t, err, "unauthorized_client grant_type_not_allowed")
	if err := s.RegisterClient(t.Context(), authz.Client{ID: "x", GrantTypes: []string{deviceCode}}); err == nil {
		t.Error("a client could be registered for it")
	}
}

// RFC 8628 §3.3 to §3.5: the whole way. The user may leave scopes out, and the code is
// used up; tokens refresh and can be revoked as others can.
func TestRFC8628_Section3_4(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newDeviceServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		d := s.device(t, tv, set("scope", "read write offline_access"))
		_, err := s.poll(tv, d.DeviceCode)
		wantRefusal(t, err, "authorization_pending undecided")

		sub := s.asked(t, " "+strings.ToLower(strings.ReplaceAll(d.UserCode, "-", "")))
		sub.Scopes = []string{"read", "offline_access", "admin"}
		if got := s.decide(sub); got != "approved" {
			t.Fatal(got)
		}
		if _, err := s.poll(box, d.DeviceCode); codeOf(err) != "invalid_grant device_code_of_another_client" {
			t.Error(err)
		}
		tokens := must(s.poll(tv, d.DeviceCode))(t)
		if tokens.Scope != "read offline_access" || tokens.RefreshToken == "" {
			t.Errorf("scope %q, refresh token %t", tokens.Scope, tokens.RefreshToken != "")
		}
		verified := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
		if verified.Subject != "ana" || verified.ClientID != tv {
			t.Errorf("%+v", verified)
		}
		_, err = s.poll(tv, d.DeviceCode)
		wantRefusal(t, err, "invalid_grant device_code_used")
		tokens = must(s.refresh(tv, tokens.RefreshToken))(t)
		consents := must(s.Consents(t.Context(), "ana", "", 10))(t)
		if len(consents) != 1 || consents[0].ClientID != tv {
			t.Errorf("consents: %+v", consents)
		}
		if err := s.Disconnect(t.Context(), "ana", tv); err != nil || s.live(tokens.AccessToken) {
			t.Error("a disconnected device has access", err)
		}
	}
}

// RFC 8628 §3.5: every other outcome.
func TestRFC8628_Section3_5(t *testing.T) {
	t.Run("denied", func(t *testing.T) {
		s := newDeviceServer(t)
		d := s.device(t, tv)
		sub := s.asked(t, d.UserCode)
		sub.Approve = false
		if got := s.decide(sub); got != "denied" {
			t.Error(got)
		}
		for range 2 {
			_, err := s.poll(tv, d.DeviceCode)
			wantRefusal(t, err, "access_denied denied_by_user")
		}
		sub.Approve = true // the back button
		if got := s.decide(sub); got != "invalid_request interaction_answered" {
			t.Error(got)
		}
	})
	t.Run("nothing left ticked", func(t *testing.T) {
		s := newDeviceServer(t)
		sub := s.asked(t, s.device(t, tv).UserCode)
		sub.Scopes = nil
		if got := s.decide(sub); got != "denied" {
			t.Error(got)
		}
	})
	t.Run("expired", func(t *testing.T) {
		s := newDeviceServer(t)
		d := s.device(t, tv)
		sub := s.asked(t, d.UserCode)
		s.clock.Advance(15 * time.Minute)
		_, err := s.poll(tv, d.DeviceCode)
		wantRefusal(t, err, "expired_token device_code_expired")
		if got := s.decide(sub); got != "invalid_request interaction_expired" {
			t.Error(got)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		s := newDeviceServer(t)
		for _, code := range []string{"x", strings.Repeat("A", 51), s.code(t, web)} {
			_, err := s.poll(tv, code)
			wantRefusal(t, err, "invalid_grant device_code_unknown")
		}
		_, err := s.poll(tv, "")
		wantRefusal(t, err, "invalid_request device_code_missing")
	})
	t.Run("revoked before it was fetched", func(t *testing.T) {
		s := newDeviceServer(t)
		d := s.device(t, tv)
		s.decide(s.asked(t, d.UserCode))
		if err := s.RevokeUser(t.Context(), "ana"); err != nil {
			t.Fatal(err)
		}
		_, err := s.poll(tv, d.DeviceCode)
		wantRefusal(t, err, "invalid_grant grant_revoked")
	})
	t.Run("slow_down", func(t *testing.T) {
		s := newDeviceServer(t)
		d := s.device(t, tv)
		for _, step := range []struct {
			wait time.Duration
			want string
		}{
			{0, "authorization_pending undecided"}, {5 * time.Second, "authorization_pending undecided"},
			{time.Second, "slow_down polled_too_soon"}, {5 * time.Second, "slow_down polled_too_soon"},
			{10 * time.Second, "slow_down polled_too_soon"}, {20 * time.Second, "authorization_pending undecided"},
			{19 * time.Second, "authorization_pending undecided"}, // less by what the network may take
		} {
			s.clock.Advance(step.wait)
			_, err := s.poll(tv, d.DeviceCode)
			wantRefusal(t, err, step.want)
		}
		s.decide(s.asked(t, d.UserCode))
		must(s.poll(tv, d.DeviceCode))(t)
	})
}

// RFC 8628 §5.1, §5.4: what the page answers to, and how often.
func TestRFC8628_Section5_1(t *testing.T) {
	unknown := func(t *testing.T, s *server, code string) {
		t.Helper()
		if response, err := s.typed(code); err != nil || !response.Unknown || !response.Ask {
			t.Errorf("%q: %+v, %v", code, response, err)
		}
	}
	s := newDeviceServer(t)
	used, old := s.device(t, tv), s.device(t, tv)
	s.decide(s.asked(t, used.UserCode))
	s.clock.Advance(20 * time.Minute)
	d := s.device(t, tv)
	for _, code := range []string{used.UserCode, old.UserCode, "BCDF-GHJK", "x", d.UserCode[:8], d.UserCode + "B", "ÀBCDFGHJ"} {
		unknown(t, s, code) // no telling which of them ever was (V6)
	}
	s.asked(t, d.UserCode)
	for range 3 {
		unknown(t, s, "BCDF-GHJK")
	}
	_, err := s.typed(d.UserCode)
	if got := codeOf(err); got != "temporarily_unavailable too_many_user_codes" {
		t.Errorf("an eleventh try: %s", got)
	}
	s.host.SignIn("bob")
	s.asked(t, d.UserCode)
	s.host.SignIn("ana")
	s.clock.Advance(time.Minute)
	s.asked(t, d.UserCode)
}

// Who may answer the page: RFC 6819 §4.4.1.8, RFC 9700 §4.7.
func TestRFC8628_Section3_3(t *testing.T) {
	s := newDeviceServer(t)
	d := s.device(t, tv)
	if response, err := s.typed(""); err != nil || !response.Ask || response.Unknown || response.User.Subject != "ana" {
		t.Errorf("%+v, %v", response, err)
	}
	sub := s.asked(t, d.UserCode)
	for name, c := range map[string]struct {
		change func(*authz.ConsentSubmission)
		want   string
	}{
		"another browser": {func(sub *authz.ConsentSubmission) { sub.Browser = "x" }, "invalid_request interaction_of_another_browser"},
		"no cookie":       {func(sub *authz.ConsentSubmission) { sub.Browser = "" }, "invalid_request browser_cookie_missing"},
		"made up":         {func(sub *authz.ConsentSubmission) { sub.Interaction = "x" }, "invalid_request interaction_invalid"},
		"of the consent page": {func(sub *authz.ConsentSubmission) {
			sub.Interaction = s.page(t, web).Interaction
		}, "invalid_request interaction_invalid"},
	} {
		other := *sub
		c.change(&other)
		if got := s.decide(&other); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if _, err := s.submit(sub); codeOf(err) != "invalid_request interaction_invalid" {
		t.Errorf("the consent endpoint took it: %v", err)
	}
	s.host.SignIn("bob")
	if got := s.decide(sub); got != "/oauth2/device?user_code="+strings.ReplaceAll(d.UserCode, "-", "") {
		t.Errorf("another account: %s", got)
	}
	s.host.SignIn("")
	response := must(s.typed(d.UserCode))(t)
	u, _ := url.Parse(response.Redirect)
	back := httptest.NewRequest("GET", "/login?"+u.RawQuery, nil)
	if u.Path != "/login" || s.ReturnTo(back, "no") != "/oauth2/device?user_code="+d.UserCode {
		t.Errorf("the way to the sign-in page and back: %q", response.Redirect)
	}
	s.host.SignIn("ana")
	if got := s.decide(sub); got != "approved" {
		t.Error(got)
	}
}

// The host's hook may deny, and what the client has lost meanwhile is not granted.
func TestDeviceGrant_policy(t *testing.T) {
	var decision authz.Decision
	s := newDeviceServer(t, func(c *authz.Config) {
		c.Consent = func(_ context.Context, req *authz.ConsentRequest) (authz.Decision, error) {
			if req.Default != authz.Ask || req.RedirectURI != "" {
				t.Errorf("%+v", req)
			}
			return decision, nil
		}
	})
	d := s.device(t, tv)
	decision = authz.Allow
	sub := s.asked(t, d.UserCode) // nevertheless
	decision = authz.Deny
	if got := s.decide(sub); got != "access_denied denied_by_host" {
		t.Error(got)
	}
	if _, err := s.typed(d.UserCode); codeOf(err) != "access_denied denied_by_host" {
		t.Error(err)
	}
}

// 64 polls at once: one gets the tokens. 64 decisions at once: one counts.
func TestDeviceGrant_at_once(t *testing.T) {
	store := newProbe(memory.New())
	s := newServerOn(t, store, withDevices)
	store.latency = time.Millisecond
	for range 5 {
		d := s.device(t, tv)
		sub := s.asked(t, d.UserCode)
		var mu sync.Mutex
		outcomes := map[string]int{}
		together(64, func(i int) {
			mine := *sub
			mine.Approve = i%2 == 0
			got := s.decide(&mine)
			mu.Lock()
			defer mu.Unlock()
			outcomes[got]++
		})
		if outcomes["approved"]+outcomes["denied"] != 1 || outcomes["invalid_request interaction_answered"] != 63 {
			t.Fatal(outcomes)
		}
		won := 0
		together(64, func(int) {
			_, err := s.poll(tv, d.DeviceCode)
			mu.Lock()
			defer mu.Unlock()
			switch got := ""; {
			case err == nil:
				won++
			default:
				if got = codeOf(err); !strings.HasPrefix(got, "invalid_grant ") && !strings.HasPrefix(got, "access_denied ") {
					t.Error(got)
				}
			}
		})
		if won != outcomes["approved"] {
			t.Fatalf("%d devices were let in", won)
		}
	}
}

// Codes are stored as digests only, and nothing secret is in the log.
func TestDeviceGrant_log(t *testing.T) {
	s := newDeviceServer(t)
	d := s.device(t, tv)
	s.typed("BCDF-GHJK")
	s.decide(s.asked(t, d.UserCode))
	tokens := must(s.poll(tv, d.DeviceCode))(t)
	s.poll(tv, d.DeviceCode)
	for _, secret := range []string{d.DeviceCode, d.UserCode, strings.ReplaceAll(d.UserCode, "-", ""), "BCDF", tokens.AccessToken} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// Whatever is typed, the page answers, and finds the code only if it is the code.
func FuzzUserCode(f *testing.F) {
	s := newDeviceServer(f, func(c *authz.Config) { c.Limits.UserCodes.Burst = -1 })
	d := s.device(f, tv)
	for _, seed := range []string{d.UserCode, strings.ToLower(d.UserCode), "BCDF–GHJK", "b c d f g h j k", "aeiou", "\x00", "\xff\xfe", strings.Repeat("B", 9000), "ÀBCDFGHJK", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		response, err := s.typed(typed)
		if err != nil {
			t.Fatal(err)
		}
		letters := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				r -= 'a' - 'A'
			}
			if r >= 'A' && r <= 'Z' {
				return r
			}
			return -1
		}, typed)
		if response.Confirm != nil && letters != strings.ReplaceAll(d.UserCode, "-", "") {
			t.Errorf("%q passed for %q", typed, d.UserCode)
		}
	})
}

// RFC 8628 §5.4, RFC 7591 §5: that nobody has checked the name of a client is said here too.
func TestRFC8628_Section5_4_self_described(t *testing.T) {
	s := newDeviceServer(t, open(func(r *authz.Registration) { r.GrantTypes = []string{deviceCode} }))
	client := must(s.introduce("redirect_uris", "", "grant_types", `["`+deviceCode+`"]`))(t)
	for id, want := range map[string]bool{client.ClientID: true, tv: false} {
		response := must(s.typed(s.device(t, id).UserCode))(t)
		if response.Confirm == nil || response.Confirm.SelfDescribed != want {
			t.Errorf("%s: %+v", id, response.Confirm)
		}
	}
}
