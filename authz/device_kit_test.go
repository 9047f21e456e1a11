package authz_test

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// withDevices turns the grant on, and registers its clients.
func withDevices(c *authz.Config) {
	c.DeviceGrant = true
	scopes := []string{"read", "write", "offline_access"}
	for _, id := range []string{tv, box} {
		c.Clients = append(c.Clients, authz.Client{
			ID: id, Name: strings.ToUpper(id), ApplicationType: "native", Scopes: scopes,
			GrantTypes: []string{deviceCode, "refresh_token"},
		})
	}
}

func newDeviceServer(t testing.TB, configure ...func(*authz.Config)) *server {
	return newServer(t, append([]func(*authz.Config){withDevices}, configure...)...)
}

// device begins the grant.
func (s *server) device(t testing.TB, client string, edits ...edit) *authz.DeviceAuthorization {
	t.Helper()
	return must(s.AuthorizeDevice(t.Context(), request(client, form(edits, "scope", "read offline_access"))))(t)
}

func (s *server) poll(client, code string, edits ...edit) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), request(client, form(edits, "grant_type", deviceCode, "device_code", code)))
}

func (s *server) typed(code string) (*authz.DevicePageResponse, error) {
	return s.DevicePage(context.Background(), &authz.DevicePageRequest{
		UserCode: code, HTTP: httptest.NewRequest("GET", "/oauth2/device", nil), Browser: browser,
		Address: netip.MustParseAddr("192.0.2.9"),
	})
}

// asked types the code and gets to the question.
func (s *server) asked(t testing.TB, code string) *authz.ConsentSubmission {
	t.Helper()
	response, err := s.typed(code)
	if err != nil || response.Confirm == nil {
		t.Fatalf("%+v, %v, want the question", response, err)
	}
	sub := &authz.ConsentSubmission{
		Interaction: response.Confirm.Interaction, HTTP: httptest.NewRequest("POST", "/oauth2/device", nil),
		Browser: browser, Approve: true,
	}
	for _, scope := range response.Confirm.Scopes {
		sub.Scopes = append(sub.Scopes, scope.Name)
	}
	return sub
}

func (s *server) decide(sub *authz.ConsentSubmission) string {
	response, err := s.SubmitDevice(context.Background(), sub)
	switch {
	case err != nil:
		return codeOf(err)
	case response.Redirect != "":
		return response.Redirect
	case response.Decided.Approved:
		return "approved"
	}
	return "denied"
}
