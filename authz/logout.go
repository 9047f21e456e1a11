package authz

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Logout that a client begins: OpenID Connect RP-Initiated Logout 1.0.

const logoutPurpose = "logout interaction"

// LogoutRequest is a request to the end session endpoint (§2).
type LogoutRequest struct {
	Parameters url.Values

	// HTTP and Browser are as in [AuthorizationRequest]. Writer is where the Logout hook may
	// set or clear cookies.
	HTTP    *http.Request
	Writer  http.ResponseWriter
	Browser string

	// Address is as in [Request].
	Address netip.Addr
}

// LogoutResponse says what to show: Redirect, Confirm, Done or Stayed, and exactly one of them.
type LogoutResponse struct {
	// Redirect is where to send the browser, with status 303: back to the client.
	Redirect string

	// Confirm is the page that asks whether to sign out.
	Confirm *LogoutPrompt

	// Done tells to show that the user is signed out here.
	Done bool

	// Stayed tells to show that the user has chosen not to sign out, and is still signed in here.
	Stayed bool

	// Frames are pages of clients to open in frames first, which end the user's sessions
	// there (OpenID Connect Front-Channel Logout §3). With them, a page has to be shown even if
	// there is a Redirect, and goes on there.
	Frames []LogoutFrame
}

// LogoutPrompt is what the page shows that asks whether to sign out. Whoever sent the browser
// here may not be a client, nor know the user.
type LogoutPrompt struct {
	Client *Client // nil if the request names none
	User   *User

	// Interaction is the sealed state of this prompt; it comes back in [ConsentSubmission].
	Interaction string
}

// logoutState is a logout on its way.
type logoutState struct {
	client   *Client // nil if none was named
	subject  string  // that the ID token is about; empty if there is no good one
	session  string  // its sid; empty if it has none
	redirect string  // where the browser goes afterwards; empty for the page here
}

// EndSession handles a request to the end session endpoint. Without an ID token of the user
// who is signed in, that user is asked (§2). Where to go afterwards has to be registered, byte
// for byte (§3).
func (s *Server) EndSession(ctx context.Context, req *LogoutRequest) (*LogoutResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	l, refused := s.checkLogout(ctx, req.Parameters, req.Address)
	if refused != nil {
		return nil, s.report(ctx, refused, l.clientID(), "")
	}
	user, err := s.present(req.HTTP)
	switch {
	case err != nil:
		return nil, s.report(ctx, broken("login_hook_failed", err), l.clientID(), "")
	case user == nil:
		return l.done(), nil
	}
	switch meant, refused := s.means(l, user); {
	case refused != nil:
		return nil, s.report(ctx, refused, l.clientID(), user.Subject)
	case meant:
		return s.signOut(ctx, req.Writer, req.HTTP, l, user)
	}
	prompt, refused := s.promptLogout(ctx, req, l, user)
	if refused != nil {
		return nil, s.report(ctx, refused, l.clientID(), user.Subject)
	}
	return &LogoutResponse{Confirm: prompt}, nil
}

// means reports whether the ID token is about this user, whatever the client calls them, and, if it
// says so, about the session at this browser. A client may mean one that has ended, or one
// elsewhere; who is asked then knows.
func (s *Server) means(l *logoutState, user *User) (bool, *Error) {
	if l.subject == "" {
		return false, nil
	}
	known, refused := s.subjectFor(l.client, user.Subject)
	if refused != nil || known != l.subject || l.session == "" {
		return known == l.subject, refused
	}
	sid, refused := s.sidFor(l.client, user.Subject, user.SessionID)
	return sid == l.session, refused
}

func (l *logoutState) clientID() string {
	if l == nil {
		return ""
	}
	return idOf(l.client)
}

func (l *logoutState) done() *LogoutResponse {
	if l.redirect == "" {
		return &LogoutResponse{Done: true}
	}
	return &LogoutResponse{Redirect: l.redirect}
}

// checkLogout works out who asks, about whom, and where the browser goes afterwards.
func (s *Server) checkLogout(ctx context.Context, params url.Values, from netip.Addr) (*logoutState, *Error) {
	l := &logoutState{}
	if err := checkParameters(params); err != nil {
		return l, err
	}
	if s.config.Logout == nil {
		return l, failed(invalidRequest, "logout_not_supported", "This server does not sign users out.")
	}
	said, err := s.readIDToken(ctx, params.Get("id_token_hint"))
	if err != nil {
		return l, unavailable(err)
	}
	id := params.Get("client_id")
	switch named := said.Audience.values; {
	case len(named) != 1: // there is no good ID token
	case id == "":
		id = named[0]
	case id != named[0]: // §2
		return l, failed(invalidRequest, "two_clients", "The client_id parameter and the id_token_hint name different clients.")
	}
	if id != "" {
		if l.client, _, err = s.findClient(ctx, id, from); err != nil {
			return l, unavailable(err)
		}
		if l.client == nil {
			return l, failed(invalidRequest, "client_unknown", "The application that sent you here is not known to this server.")
		}
	}
	l.subject, l.session = said.Subject, said.Session
	to := params.Get("post_logout_redirect_uri")
	switch {
	case to == "":
		return l, nil
	case l.client == nil:
		return l, failed(invalidRequest, "client_missing", "The request does not say which application it comes from.")
	case !slices.Contains(l.client.PostLogoutRedirectURIs, to):
		return l, failed(invalidRequest, "post_logout_redirect_uri_not_registered", "The post_logout_redirect_uri is not registered for this application.")
	}
	// A host's own client storage may hold anything.
	if fault := checkPostLogoutRedirectURI(to, l.client.ApplicationType == "native"); fault != nil {
		return l, failed(invalidRequest, "post_logout_redirect_uri_unsafe", "The post_logout_redirect_uri registered for this application cannot be used.").because(fault)
	}
	back := url.Values{}
	if state := params.Get("state"); state != "" {
		back.Set("state", state)
		to = withQuery(to, back)
	}
	l.redirect = to
	return l, nil
}

// present asks the host who is at the browser; nil for nobody.
func (s *Server) present(r *http.Request) (*User, error) {
	if r == nil {
		return nil, errors.New("LogoutRequest.HTTP is nil; give the request that the Login hook is to look at")
	}
	user, _, err := s.whoIs(r)
	return user, err
}

func (s *Server) promptLogout(ctx context.Context, req *LogoutRequest, l *logoutState, user *User) (*LogoutPrompt, *Error) {
	kept := url.Values{}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		if v := req.Parameters.Get(name); v != "" {
			kept.Set(name, v)
		}
	}
	sealed, refused := s.sealInteraction(ctx, logoutPurpose, interaction{
		Query: kept.Encode(), Subject: user.Subject, ExpiresAt: s.now().Add(interactionLifetime),
	}, req.Browser)
	if refused != nil {
		return nil, refused
	}
	return &LogoutPrompt{Client: l.client, User: user, Interaction: sealed}, nil
}

// SubmitLogout handles the answer of the page that asks whether to sign out. Where the browser
// goes is judged anew. Approving twice does no harm; a user who would rather stay goes back
// as well, without being told on.
func (s *Server) SubmitLogout(ctx context.Context, w http.ResponseWriter, sub *ConsentSubmission) (*LogoutResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	state, refused := s.openInteraction(ctx, logoutPurpose, sub, s.now())
	if refused != nil {
		return nil, s.report(ctx, refused, "", "")
	}
	params, err := url.ParseQuery(state.Query)
	if err != nil {
		return nil, s.report(ctx, broken("interaction_unreadable", err), "", "")
	}
	l, refused := s.checkLogout(ctx, params, netip.Addr{})
	if refused != nil {
		return nil, s.report(ctx, refused, l.clientID(), "")
	}
	user, err := s.present(sub.HTTP)
	switch {
	case err != nil:
		return nil, s.report(ctx, broken("login_hook_failed", err), l.clientID(), "")
	case user == nil:
		return l.done(), nil
	case !sub.Approve && l.redirect == "":
		return &LogoutResponse{Stayed: true}, nil
	case !sub.Approve:
		return l.done(), nil
	case user.Subject != state.Subject: // somebody else has signed in meanwhile, who was not asked
		refused := failed(invalidRequest, "interaction_of_another_user", "Another account is signed in now. Go back to the application and start again.")
		refused.Status = http.StatusForbidden
		return nil, s.report(ctx, refused, l.clientID(), user.Subject)
	}
	return s.signOut(ctx, w, sub.HTTP, l, user)
}

// signOut ends what the user has signed in to from here, and then has the host end its session.
// In this order, because a user whose session has ended cannot be told on any more if the store
// fails; the other way round the user tries again.
func (s *Server) signOut(ctx context.Context, w http.ResponseWriter, r *http.Request, l *logoutState, user *User) (*LogoutResponse, error) {
	var clients []signedInTo
	var err error
	if user.SessionID != "" {
		if clients, err = s.endSession(ctx, user.Subject, user.SessionID); err != nil {
			return nil, s.report(ctx, unavailable(err), l.clientID(), user.Subject)
		}
	}
	if s.frontChannel() {
		s.lookUp(ctx, clients)
	}
	frames, refused := s.logoutFrames(clients, user.Subject, user.SessionID)
	if refused != nil {
		return nil, s.report(ctx, refused, l.clientID(), user.Subject)
	}
	if err := s.config.Logout(w, r); err != nil {
		return nil, s.report(ctx, broken("logout_hook_failed", err), l.clientID(), user.Subject)
	}
	s.emit(ctx, Event{Type: SignedOut, ClientID: l.clientID(), Subject: user.Subject})
	response := l.done()
	response.Frames = frames
	return response, nil
}

// checkPostLogoutRedirectURI says what is wrong with such a URI as a registration: §3.1 has it
// like a redirect URI.
func checkPostLogoutRedirectURI(raw string, native bool) error {
	if strings.Contains(raw, "?state=") || strings.Contains(raw, "&state=") {
		return errors.New("it must not have a parameter state, which the client gets back there")
	}
	return checkRedirectURI(raw, native)
}
