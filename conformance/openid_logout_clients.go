package conformance

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	backchannelLogout  = "OpenID Connect Back-Channel Logout"
	frontchannelLogout = "OpenID Connect Front-Channel Logout"
)

// OpenID Connect Back-Channel Logout 1.0 and Front-Channel Logout 1.0: clients are told.
var clientLogoutCases = []Case{
	{
		ID: "backchannel-logout-token", Spec: backchannelLogout, Section: "2.4", Level: Must,
		Request: "a user signs out who was signed in at a client with a backchannel_logout_uri",
		Want:    "a POST there of a signed logout token: iss, aud, iat, exp, jti, the event, sub or sid, and no nonce",
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_supported")},
		run: func(p *probe) {
			l := p.listen()
			c := p.client(leaver(), l.wanted())
			b, t := c.enters(identifying())
			b.leaves(b.leave(t.hinted(url.Values{})))
			token := l.wait(1)[0]
			said, now := p.identity(token), p.now().Unix()
			if strings.Count(token, ".") != 2 || said.head["alg"] != t.identity().head["alg"] {
				p.errorf("alg %v, want that of ID tokens, %v", said.head["alg"], t.identity().head["alg"])
			}
			if said.text("iss") != p.run.target.Issuer || !same(said.said.audience(), []string{c.ID}) {
				p.errorf("iss %v and aud %v", said.said["iss"], said.said["aud"])
			}
			if iat, exp := said.seconds("iat"), said.seconds("exp"); iat > now+60 || iat < now-300 || exp <= now {
				p.errorf("iat and exp are %d and %d seconds from now", iat-now, exp-now)
			}
			if said.text("jti") == "" {
				p.errorf("there is no jti")
			}
			events, _ := said.said["events"].(map[string]any)
			if _, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any); !ok {
				p.errorf("events is %v", said.said["events"])
			}
			if said.text("sub") == "" && said.text("sid") == "" {
				p.errorf("there is neither sub nor sid")
			}
			if sub := said.text("sub"); sub != "" && sub != t.identity().text("sub") {
				p.errorf("sub is %q, want that of the ID token", sub)
			}
			if _, there := said.said["nonce"]; there {
				p.errorf("there is a nonce")
			}
		},
	},
	{
		ID: "backchannel-logout-type", Spec: backchannelLogout, Section: "2.4", Level: Should,
		Request: "a user signs out who was signed in at a client with a backchannel_logout_uri",
		Want:    "a logout token of typ logout+jwt, in a form as the parameter logout_token",
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_supported")},
		run: func(p *probe) {
			l := p.listen()
			c := p.client(leaver(), l.wanted())
			b, t := c.enters(identifying())
			b.leaves(b.leave(t.hinted(url.Values{})))
			head, _ := decoded(l.wait(1)[0])
			if head["typ"] != "logout+jwt" {
				p.errorf("typ is %v", head["typ"])
			}
			if !strings.HasPrefix(l.kind, "application/x-www-form-urlencoded") {
				p.errorf("Content-Type is %q", l.kind)
			}
		},
	},
	{
		ID: "backchannel-logout-session", Spec: backchannelLogout, Section: "2.1", Level: Must,
		Request: "one user is signed in at a client in two browsers, and signs out in one",
		Want:    "one logout token, with the sid of that browser's ID tokens",
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_session_supported")},
		run: func(p *probe) {
			l := p.listen()
			c := p.client(leaver(), l.wanted(), with("backchannel_logout_session_required", true))
			b, t := c.enters(identifying())
			_, other := c.enters(identifying())
			b.leaves(b.leave(t.hinted(url.Values{})))
			all := l.wait(1)
			sid := t.identity().text("sid")
			if got := p.identity(all[0]).text("sid"); sid == "" || got != sid {
				p.errorf("sid %q, want that of the ID token, %q", got, sid)
			}
			if other.identity().text("sid") == sid {
				p.errorf("the sid is the same in two browsers")
			}
			if all = l.later(); len(all) > 1 {
				p.errorf("there are %d logout tokens", len(all))
			}
		},
	},
	{
		ID: "backchannel-logout-every-client", Spec: backchannelLogout, Section: "2.3", Level: Must,
		Request: "a user is signed in at two clients in one browser, and another user at a third; the first user signs out by one of the two",
		Want:    "both of the two are told, each by a token for itself, and the third is not",
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_supported")},
		run: func(p *probe) {
			one, two, three := p.listen(), p.listen(), p.listen()
			c, d, e := p.client(leaver(), one.wanted()), p.client(two.wanted()), p.client(three.wanted())
			b, t := c.enters(identifying())
			d.again(b, identifying()).wantCode().tokens()
			e.entersAs(1, identifying())
			b.leaves(b.leave(t.hinted(url.Values{})))
			for to, l := range map[*client]*listener{c: one, d: two} {
				if said := p.identity(l.wait(1)[0]); !same(said.said.audience(), []string{to.ID}) {
					p.errorf("aud is %v", said.said["aud"])
				}
			}
			if n := len(three.later()); n > 0 {
				p.errorf("a client of another user gets %d logout tokens", n)
			}
		},
	},
	{
		ID: "backchannel-logout-deaf-client", Spec: rpLogout, Section: "2", Level: Must,
		Request: "a client answers the logout token with an error, and another one with 200",
		Want:    "the user is signed out all the same, and the other client is told",
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_supported")},
		run: func(p *probe) {
			deaf, good := p.listen(), p.listen()
			deaf.status = http.StatusInternalServerError
			c, d := p.client(leaver(), deaf.wanted()), p.client(good.wanted())
			b, t := c.enters(identifying())
			d.again(b, identifying()).wantCode().tokens()
			b.leaves(b.leave(t.hinted(url.Values{})))
			deaf.wait(1)
			good.wait(1)
			c.wantSignedOut(b)
		},
	},
	{
		ID: "backchannel-logout-pairwise", Spec: backchannelLogout, Section: "2.4", Level: Must,
		Request: "a user signs out who was signed in at a client with pairwise subjects",
		Want:    "the logout token has the pairwise sub, or none",
		Attacks: []string{"O4"},
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_supported"), lists("subject_types_supported", "pairwise")},
		run: func(p *probe) {
			l := p.listen()
			c := p.client(leaver(), l.wanted(), with("subject_type", "pairwise"))
			b, t := c.enters(identifying())
			b.leaves(b.leave(t.hinted(url.Values{})))
			if sub := p.identity(l.wait(1)[0]).text("sub"); sub != "" && sub != t.identity().text("sub") {
				p.failf("sub is %q, want that of the ID token", sub)
			}
		},
	},
	{
		ID: "backchannel-logout-no-hint", Spec: "RFC 8725", Section: "3.12", Level: Must,
		Request: "a logout token comes back as id_token_hint, and as an access token at the UserInfo endpoint",
		Want:    "it is taken for neither",
		Attacks: []string{"E19"},
		needs:   []feature{codeFlow, openID, leaving, is("backchannel_logout_supported")},
		run: func(p *probe) {
			l := p.listen()
			c := p.client(leaver(), l.wanted())
			b, t := c.enters(identifying())
			b.leaves(b.leave(t.hinted(url.Values{})))
			token := l.wait(1)[0]
			again, t := c.enters(identifying())
			c.silently(again, t.id).wantCode()
			c.silently(again, token).wantRefused()
			if at := p.run.md.text("userinfo_endpoint"); at != "" {
				t.access = token
				t.userInfo().wantStatus(http.StatusUnauthorized)
			}
		},
	},
	{
		ID: "backchannel-logout-refresh", Spec: backchannelLogout, Section: "2.7", Level: Should,
		Request: "a user signs out who has given a client refresh tokens with and without offline_access",
		Want:    "the one without is revoked, the one with it works on",
		needs:   []feature{codeFlow, openID, refreshing, leaving, is("backchannel_logout_supported")},
		run: func(p *probe) {
			l := p.listen()
			c := p.client(leaver(), l.wanted())
			b, t := c.enters(identifying())
			d := p.client(p.listen().wanted())
			var lasting *tokens
			if p.run.md.lists("scopes_supported", "offline_access") {
				lasting = d.again(b, identifying("offline_access"), set("prompt", "consent")).wantCode().tokens()
			}
			b.leaves(b.leave(t.hinted(url.Values{})))
			l.wait(1)
			if t.refresh == "" && lasting == nil {
				p.notOffered("there are no refresh tokens to be revoked")
			}
			if t.refresh != "" {
				c.refreshed(t.refresh).wantError(400, "invalid_grant")
			}
			if lasting != nil && lasting.refresh != "" {
				d.got(d.refreshed(lasting.refresh))
			}
		},
	},
	{
		ID: "backchannel-logout-user-ended", Spec: backchannelLogout, Section: "2.3", Level: Should,
		Request: "the host ends all that a user has authorized, who was signed in at a client with a backchannel_logout_uri",
		Want:    "the client is told: a logout token for the user or the session",
		Attacks: []string{"F11"},
		needs:   []feature{codeFlow, openID, is("backchannel_logout_supported")},
		alone:   true,
		run: func(p *probe) {
			end := p.controls().RevokeUser
			if end == nil {
				p.notTested("it takes Controls.RevokeUser")
			}
			l := p.listen()
			c := p.client(l.wanted())
			b, t := c.enters(identifying())
			if err := end(p.ctx, b.user); err != nil {
				p.failf("Controls.RevokeUser: %v", err)
			}
			said := p.identity(l.wait(1)[0])
			if sub, sid := said.text("sub"), said.text("sid"); sub != t.identity().text("sub") && (sid == "" || sid != t.identity().text("sid")) {
				p.failf("sub is %q, and sid %q", sub, sid)
			}
		},
	},
	{
		ID: "frontchannel-logout-frame", Spec: frontchannelLogout, Section: "3", Level: Must,
		Request: "a user signs out who was signed in at a client with a frontchannel_logout_uri that has a query",
		Want:    "a page with a frame of that URI: its query kept, iss and the sid of the ID token added; and a policy that lets it be opened",
		needs:   []feature{codeFlow, openID, leaving, is("frontchannel_logout_supported")},
		run: func(p *probe) {
			const uri = "https://client.example/gone?tenant=7"
			c := p.client(leaver(), with("frontchannel_logout_uri", uri), with("frontchannel_logout_session_required", p.run.md.is("frontchannel_logout_session_supported")))
			b, t := c.enters(identifying())
			last := b.leaves(b.leave(t.hinted(url.Values{"post_logout_redirect_uri": {byeURI}})))
			frames := framesOf(last)
			if len(frames) != 1 || !callback("https://client.example/gone?tenant=7")(frames[0]) {
				p.failf("the frames of %s are %v", last.what(), frames)
			}
			if p.run.md.is("frontchannel_logout_session_supported") {
				said := frames[0].Query()
				if said.Get("iss") != p.run.target.Issuer || said.Get("sid") == "" || said.Get("sid") != t.identity().text("sid") {
					p.errorf("iss %q and sid %q, want the issuer and the sid of the ID token, %q", said.Get("iss"), said.Get("sid"), t.identity().text("sid"))
				}
			}
			policy := last.header.Get("Content-Security-Policy")
			if strings.Contains(policy, "default-src 'none'") && !strings.Contains(policy, "https://client.example") {
				p.errorf("the page's own policy keeps the frame from being opened: %s", policy)
			}
			c.wantSignedOut(b)
		},
	},
	{
		ID: "frontchannel-logout-others", Spec: frontchannelLogout, Section: "3", Level: Must,
		Request: "a user signs out, and another user was signed in at a client with a frontchannel_logout_uri",
		Want:    "no frame of that client: a stranger does not learn of it",
		needs:   []feature{codeFlow, openID, leaving, is("frontchannel_logout_supported")},
		run: func(p *probe) {
			c := p.client(leaver(), with("frontchannel_logout_uri", "https://client.example/gone"))
			other := p.client(redirects("https://other.example/callback"), with("frontchannel_logout_uri", "https://other.example/gone"))
			b, t := c.enters(identifying())
			other.entersAs(1, identifying())
			last := b.leaves(b.leave(t.hinted(url.Values{})))
			if frames := framesOf(last); len(frames) != 1 || frames[0].Host != "client.example" {
				p.failf("the frames are %v, want that of client.example alone", frames)
			}
		},
	},
	{
		ID: "frontchannel-logout-origin", Spec: frontchannelLogout, Section: "2", Level: Must,
		Request: "a client registers a frontchannel_logout_uri of another scheme, host or port than its redirect URIs",
		Want:    "a refusal, or a registration without it",
		needs:   []feature{openID, registering, is("frontchannel_logout_supported")},
		run: func(p *probe) {
			var changes []sending
			if token := p.run.target.InitialAccessToken; token != "" {
				changes = append(changes, bearer(token))
			}
			register := func(uri string) *exchange {
				return p.postJSON(http.MethodPost, p.endpoint("registration_endpoint"), map[string]any{
					"redirect_uris": []string{"https://client.example/callback"}, "frontchannel_logout_uri": uri}, changes...)
			}
			if x := register("https://client.example/gone"); x.status != http.StatusCreated {
				p.notTested("the server does not register a client with a frontchannel_logout_uri: status %d, %s", x.status, x.text("error"))
			}
			for _, uri := range []string{"https://evil.example/gone", "http://client.example/gone", "https://client.example:8443/gone", "javascript:alert(1)"} {
				if x := register(uri); x.status == http.StatusCreated && x.text("frontchannel_logout_uri") == uri {
					p.errorf("%s is registered", uri)
				}
			}
		},
	},
}

// listener is a client's backchannel_logout_uri.
type listener struct {
	p      *probe
	url    string
	status int

	mu   sync.Mutex
	got  []string
	kind string // Content-Type
}

// listen publishes one, which answers 200.
func (p *probe) listen() *listener {
	l := &listener{p: p, status: http.StatusOK}
	l.url = p.publish(l).url
	return l
}

// ServeHTTP hears of a logout.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("logout_token")
	l.mu.Lock()
	if r.Method == http.MethodPost && token != "" {
		l.got, l.kind = append(l.got, token), r.Header.Get("Content-Type")
	}
	l.mu.Unlock()
	l.p.hide("logout_token", token)
	w.WriteHeader(l.status)
}

func (l *listener) wanted() wanting { return with("backchannel_logout_uri", l.url) }

// wait waits until n logout tokens have come, which they have to soon.
func (l *listener) wait(n int) []string {
	for begun := time.Now(); time.Since(begun) < 2*patience; time.Sleep(20 * time.Millisecond) {
		l.mu.Lock()
		all := append([]string{}, l.got...)
		l.mu.Unlock()
		if len(all) >= n {
			return all
		}
	}
	l.p.failf("no logout token has come within %v", 2*patience)
	return nil
}

// later are the logout tokens that have come after a while in which more could.
func (l *listener) later() []string {
	time.Sleep(300 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.got...)
}

var frameSource = regexp.MustCompile(`(?i)<(?:iframe|img)\b[^>]*\bsrc=["']([^"']*)["']`)

// framesOf are what a page opens in frames, or as images, of other hosts.
func framesOf(x *exchange) []*url.URL {
	var all []*url.URL
	for _, found := range frameSource.FindAllStringSubmatch(string(x.body), -1) {
		u, err := x.request.URL.Parse(html.UnescapeString(found[1]))
		if err == nil && u.Host != x.request.URL.Host && u.Host != "" {
			all = append(all, u)
		}
	}
	return all
}
