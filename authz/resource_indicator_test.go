package authz_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

const (
	mail  = "https://api.example/mail"
	files = "https://api.example/files"
	bare  = "https://tools.example"
)

// withResources has three resource servers beside the default one, which has every scope.
func withResources(c *authz.Config) {
	c.Resources = []authz.Resource{
		{Identifier: mail, Name: "Mail", Scopes: []string{"read"}},
		{Identifier: files, Name: "Files", Scopes: []string{"read", "write"}, AccessTokenFormat: "opaque", AccessTokenLifetime: time.Minute},
		{Identifier: bare},
	}
}

// audienceOf is what a token is for, and may do there.
func (s *server) audienceOf(t testing.TB, token string) string {
	t.Helper()
	verified, err := s.VerifyAccessToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(verified.Audience, " ") + ": " + strings.Join(verified.Scopes, " ")
}

// RFC 8707 §2.1: what may be asked for at the authorization endpoint.
func TestRFC8707_Section2_1(t *testing.T) {
	for _, test := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"none", nil, "ask"},
		{"default", []edit{set("resource", issuer)}, "ask"},
		{"one", []edit{set("resource", files)}, "ask"},
		{"several", []edit{set("resource", mail, files)}, "ask"},
		{"unknown", []edit{set("resource", "https://api.example/other")}, "back: invalid_target resource_unknown"},
		{"one of several unknown", []edit{set("resource", mail, "https://api.example/other")}, "back: invalid_target resource_unknown"},
		{"slash more behind a path", []edit{set("resource", mail+"/")}, "back: invalid_target resource_unknown"},
		{"upper case", []edit{set("resource", "https://API.example/mail")}, "back: invalid_target resource_unknown"},
		{"port", []edit{set("resource", "https://api.example:443/mail")}, "back: invalid_target resource_unknown"},
		{"escape", []edit{set("resource", "https://api.example/m%61il")}, "back: invalid_target resource_unknown"},
		{"query", []edit{set("resource", mail+"?")}, "back: invalid_target resource_unknown"},
		{"fragment", []edit{set("resource", mail+"#")}, "back: invalid_target resource_unknown"},
		{"relative", []edit{set("resource", "mail")}, "back: invalid_target resource_unknown"},
		{"without a path", []edit{set("resource", bare)}, "ask"},
		{"without a path, with its slash", []edit{set("resource", bare+"/")}, "ask"},
		{"without a path, with two slashes", []edit{set("resource", bare+"//")}, "back: invalid_target resource_unknown"},
		{"too many", []edit{set("resource", slices.Repeat([]string{mail}, 21)...)}, "back: invalid_target too_many_resources"},
		{"scope of another", []edit{set("resource", mail), set("scope", "read write")}, "back: invalid_scope scope_of_another_resource"},
		{"scope of one of them", []edit{set("resource", mail, files), set("scope", "read write")}, "ask"},
		{"offline_access is of all", []edit{set("resource", mail), set("scope", "read offline_access")}, "ask"},
		{"scope left out", []edit{set("resource", mail), drop("scope")}, "ask"},
		{"not the client's", []edit{set("client_id", first), set("redirect_uri", redirectOf[first]), set("resource", files)}, "back: invalid_target resource_unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, withResources)
			s.change(t, first, func(c *authz.Client) { c.Resources = []string{mail} })
			if test.name != "scope of another" && test.name != "scope of one of them" {
				test.edits = append([]edit{set("scope", "read")}, test.edits...)
			}
			response, err := s.authorize(web, test.edits...)
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// RFC 8707 §2.2: each access token is for one of what was granted, and carries the scopes
// that mean something there.
func TestRFC8707_Section2_2(t *testing.T) {
	s := newServer(t, withResources, func(c *authz.Config) { c.Lifetimes.RefreshGrace = -1 })
	s.change(t, service, func(c *authz.Client) { c.Resources = []string{files, mail} })
	all := []edit{set("resource", files, mail, bare), set("scope", "read write offline_access")}

	// The first one that was asked for, if the token request names none.
	tokens := s.tokens(t, web, all...)
	if got := s.audienceOf(t, tokens.AccessToken); got != files+": read write offline_access" {
		t.Error(got)
	}
	for _, step := range []struct {
		edits []edit
		want  string
	}{
		{nil, files + ": read write offline_access"},
		{[]edit{set("resource", mail)}, mail + ": read offline_access"},
		{[]edit{set("resource", bare+"/")}, bare + ": read write offline_access"},
		{[]edit{set("resource", files), set("scope", "write")}, files + ": write"},
		{[]edit{set("resource", mail, mail)}, mail + ": read offline_access"},
		{[]edit{set("resource", "")}, files + ": read write offline_access"}, // narrowing one token narrows no other
	} {
		next, err := s.refresh(web, tokens.RefreshToken, step.edits...)
		if err != nil {
			t.Fatal(err)
		}
		tokens = next
		got := s.audienceOf(t, tokens.AccessToken)
		if _, scopes, _ := strings.Cut(got, ": "); got != step.want || tokens.Scope != scopes {
			t.Errorf("%s and scope %s, want %s", got, tokens.Scope, step.want)
		}
	}
	for reason, edits := range map[string][]edit{
		"resource_not_granted": {set("resource", issuer)},
		"several_resources":    {set("resource", files, mail)},
		"resource_unknown":     {set("resource", "https://api.example")},
	} {
		_, err := s.refresh(web, tokens.RefreshToken, edits...)
		wantRefusal(t, err, "invalid_target "+reason)
		code := s.code(t, web, all...)
		_, err = s.redeem(web, code, edits...)
		wantRefusal(t, err, "invalid_target "+reason)
		must(s.redeem(web, code, set("resource", mail)))(t) // it used nothing up
	}

	// RFC 6749 §4.4: a client's own.
	for _, step := range []struct {
		edits []edit
		want  string
	}{
		{nil, files + ": read"},
		{[]edit{set("resource", mail)}, mail + ": read"},
		{[]edit{set("resource", mail), drop("scope")}, mail + ": read"},
	} {
		if got := s.audienceOf(t, must(s.own(step.edits...))(t).AccessToken); got != step.want {
			t.Errorf("own token: %s, want %s", got, step.want)
		}
	}
	_, err := s.own(set("resource", bare))
	wantRefusal(t, err, "invalid_target resource_unknown")
	_, err = s.own(set("resource", files, mail))
	wantRefusal(t, err, "invalid_target several_resources")
	_, err = s.own(set("resource", mail), set("scope", "write"))
	wantRefusal(t, err, "invalid_scope scope_of_another_resource")
}

// One token for several, where the host allows it.
func TestRFC8707_SeveralAudiences(t *testing.T) {
	s := newServer(t, withResources, func(c *authz.Config) { c.SeveralAudiences = true })
	tokens := s.tokens(t, web, set("resource", mail, bare))
	tokens = must(s.refresh(web, tokens.RefreshToken, set("resource", mail, bare)))(t)
	if got := s.audienceOf(t, tokens.AccessToken); got != mail+" "+bare+": read write" {
		t.Error(got)
	}
}

// What a resource says of its tokens counts, whatever the client's are.
func TestResourceShapesItsTokens(t *testing.T) {
	s := newServer(t, withResources)
	code := s.code(t, web, set("resource", files, bare))
	tokens := must(s.redeem(web, code))(t)
	if strings.Count(tokens.AccessToken, ".") != 0 || tokens.ExpiresIn != 60 {
		t.Errorf("expires in %d s, want an opaque token of a minute", tokens.ExpiresIn)
	}
	tokens = must(s.refresh(web, tokens.RefreshToken, set("resource", bare)))(t)
	if strings.Count(tokens.AccessToken, ".") != 2 || tokens.ExpiresIn != 3600 {
		t.Errorf("expires in %d s, want a JWT of an hour", tokens.ExpiresIn)
	}
}

// A resource that goes from the configuration, or from the client's, takes what was
// granted there with it.
func TestResourceIsGone(t *testing.T) {
	s := newServer(t, withResources)
	tokens := s.tokens(t, web, set("resource", mail), set("scope", "read"))
	s.change(t, web, func(c *authz.Client) { c.Resources = []string{files} })
	_, err := s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "invalid_target resource_gone")

	later := newServerOn(t, s.store)
	_, err = later.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "invalid_target resource_gone")
}

// Consent for one resource is none for another, though the scopes have the same names.
func TestConsentIsForResources(t *testing.T) {
	s := newServer(t, withResources)
	at := func(resources ...string) edit { return set("resource", resources...) }
	s.code(t, web, at(mail), set("scope", "read"))
	for _, step := range []struct {
		edits []edit
		want  string
	}{
		{[]edit{at(mail), set("scope", "read")}, "code"},
		{[]edit{at(files), set("scope", "read")}, "ask"},
		{[]edit{set("scope", "read")}, "ask"},
		{[]edit{at(mail, files), set("scope", "read")}, "ask"},
	} {
		response, err := s.authorize(web, step.edits...)
		if got := s.outcome(t, response, err); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
	prompt := s.page(t, web, at(mail, files))
	if len(prompt.Resources) != 2 || prompt.Resources[0].Name != "Mail" || prompt.Resources[1].Identifier != files {
		t.Errorf("the page shows %+v", prompt.Resources)
	}
	must(s.submit(submission(prompt)))(t)
	// Part of it is known now.
	response, err := s.authorize(web, at(files), set("scope", "write"))
	if got := s.outcome(t, response, err); got != "code" {
		t.Error(got)
	}
}

// The hooks are told what it is for.
func TestHooksLearnTheResources(t *testing.T) {
	var asked, claimed []string
	s := newServer(t, withResources, func(c *authz.Config) {
		c.Consent = func(_ context.Context, r *authz.ConsentRequest) (authz.Decision, error) {
			asked = r.Resources
			return authz.Allow, nil
		}
		c.Claims = func(_ context.Context, r *authz.ClaimsRequest) (map[string]any, error) {
			claimed = r.Resources
			return nil, nil
		}
	})
	s.tokens(t, web, set("resource", mail, files), set("scope", "read"))
	if !slices.Equal(asked, []string{mail, files}) || !slices.Equal(claimed, []string{mail}) {
		t.Errorf("consent %q, claims %q", asked, claimed)
	}
}

func TestServerResources(t *testing.T) {
	s := newServer(t, withResources, func(c *authz.Config) { c.Resource = files })
	var got []string
	for _, r := range s.Resources() {
		got = append(got, r.Identifier)
	}
	if want := []string{files, mail, bare}; !slices.Equal(got, want) || !slices.Equal(s.Metadata().ProtectedResources, want) || s.Resource() != files {
		t.Errorf("%q, want %q", got, want)
	}
}
