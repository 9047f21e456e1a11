package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// placeRecorder is a limiter that notes where requests come from.
type placeRecorder struct{ place netip.Prefix }

func (p *placeRecorder) Take(_ context.Context, key authz.LimitKey, _ authz.Limit, _ int) (time.Duration, error) {
	p.place = key.Address
	return 0, nil
}

// Only those who are trusted are believed, each about the one before it.
func TestAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		proxies   []netip.Prefix
		remote    string
		forwarded []string
		want      string
	}{
		"no_proxy":                {nil, "192.0.2.1:99", nil, "192.0.2.1"},
		"header_of_a_stranger":    {proxies, "192.0.2.1:99", []string{"198.51.100.7"}, "192.0.2.1"},
		"nobody_trusted":          {nil, "10.0.0.1:99", []string{"198.51.100.7"}, "10.0.0.1"},
		"one_proxy":               {proxies, "10.0.0.1:99", []string{"198.51.100.7"}, "198.51.100.7"},
		"forged_before_the_proxy": {proxies, "10.0.0.1:99", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		"two_proxies":             {proxies, "10.0.0.1:99", []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		"two_headers":             {proxies, "10.0.0.1:99", []string{"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		"proxies_all_the_way":     {proxies, "10.0.0.1:99", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no_header":               {proxies, "10.0.0.1:99", nil, "10.0.0.1"},
		"rubbish":                 {proxies, "10.0.0.1:99", []string{"198.51.100.7, unknown"}, "10.0.0.1"},
		"with_a_port":             {proxies, "10.0.0.1:99", []string{"198.51.100.7:1234"}, "198.51.100.7"},
		"ipv6":                    {proxies, "[fd00::1]:99", []string{"2001:db8::7"}, "2001:db8::"},
		"ipv6_with_a_port":        {proxies, "[fd00::1]:99", []string{"[2001:db8::7]:5"}, "2001:db8::"},
		"mapped":                  {proxies, "[::ffff:10.0.0.1]:99", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"unix_socket":             {proxies, "@", []string{"198.51.100.7"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen placeRecorder
			as := authztest.New(t, func(cfg *authz.Config) { cfg.Limits.Limiter = &seen })
			r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=refresh_token&client_id=nobody"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.RemoteAddr, r.Header["X-Forwarded-For"] = c.remote, c.forwarded
			w := httptest.NewRecorder()
			handlers.Token(as.Server, handlers.Options{TrustedProxies: c.proxies}).ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized {
				t.Fatal(w.Code, w.Body)
			}
			if got := seen.place.Addr().String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
