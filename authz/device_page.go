package authz

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// The page on which a user types the code that a device shows, and decides: RFC 8628 §3.3.

const deviceInteractionPurpose = "device interaction"

// DevicePageRequest is a request for that page.
type DevicePageRequest struct {
	// UserCode is what was typed, or what the URL came with; empty for the page to type it.
	UserCode string

	// HTTP and Browser are as in [AuthorizationRequest]; Address is as in [Request].
	HTTP    *http.Request
	Browser string
	Address netip.Addr
}

// DevicePageResponse says what to show: exactly one field is set, or Ask with Unknown.
type DevicePageResponse struct {
	// Redirect is where to send the browser, with status 303: to the host's sign-in page, or
	// back to this page.
	Redirect string

	// Ask tells to show the page on which the code is typed; Unknown, that the one that was
	// typed does not exist, was used or has expired, which are not told apart.
	Ask     bool
	Unknown bool

	// User is who is signed in, on every page.
	User *User

	// Confirm is the page that asks for the decision; Decided, the one that confirms it.
	Confirm *DevicePrompt
	Decided *DeviceDecided
}

// DevicePrompt is what the page shows that asks whether a device may have access. It has
// to show the code, and to warn those who did not start this themselves: somebody else may
// have sent them here (RFC 8628 §5.4).
type DevicePrompt struct {
	Client *Client
	User   *User

	// UserCode is the code, as the device shows it.
	UserCode string

	// Scopes, Resources and Details are as in [ConsentPrompt].
	Scopes    []ScopePrompt
	Resources []Resource
	Details   []DetailPrompt

	// Address is where the device sent its request from, the zero Addr if that is not known;
	// At is when.
	Address netip.Addr
	At      time.Time

	// SelfDescribed and ClientIDHost are as in [ConsentPrompt].
	SelfDescribed bool
	ClientIDHost  string

	// Interaction is the sealed state of this prompt; it comes back in [ConsentSubmission].
	Interaction string
}

// DeviceDecided is the outcome.
type DeviceDecided struct {
	Client   *Client
	Approved bool
}

// DevicePage handles a request for the page on which a user types the code of a device
// (RFC 8628 §3.3). A code that came with the URL decides nothing either: the user is shown
// it, and asked (§3.3.1). Nothing is stored. How many codes a user may try is limited (§5.1).
func (s *Server) DevicePage(ctx context.Context, req *DevicePageRequest) (*DevicePageResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	at := s.now()
	user, response, err := s.deviceUser(req.HTTP, req.UserCode, at)
	if user == nil {
		return response, err
	}
	if req.UserCode == "" {
		return &DevicePageResponse{Ask: true, User: user}, nil
	}
	guesses := buckets(LimitUserCodes, s.config.Limits.UserCodes, "", user.Subject, req.Address)
	if err := s.exhausted(ctx, guesses); err != nil {
		return nil, s.report(ctx, err, "", user.Subject)
	}
	pending, refused := s.findDevice(ctx, readUserCode(req.UserCode), at)
	switch {
	case refused != nil:
		return nil, s.report(ctx, refused, "", user.Subject)
	case pending == nil:
		s.take(ctx, guesses, 1)
		s.report(ctx, failed(invalidRequest, "user_code_unknown", "The code is not valid."), "", user.Subject)
		return &DevicePageResponse{Ask: true, Unknown: true, User: user}, nil
	}
	prompt, refused := pending.prompt(ctx, user, req.Browser)
	if refused != nil {
		return nil, s.report(ctx, refused, pending.client.ID, user.Subject)
	}
	return &DevicePageResponse{Confirm: prompt, User: user}, nil
}

// deviceUser asks the host who is at the browser. Without a user there is a response, or
// an error.
func (s *Server) deviceUser(r *http.Request, userCode string, at time.Time) (*User, *DevicePageResponse, error) {
	a := s.newAuthorization(url.Values{"user_code": {userCode}}, at)
	a.path = s.paths.device
	if len(userCode) > maxParameter/2 || !text(userCode) {
		a.params.Del("user_code")
	}
	user, response, err := a.user(&AuthorizationRequest{HTTP: r})
	if response != nil {
		return nil, &DevicePageResponse{Redirect: response.Redirect}, nil
	}
	return user, nil, err
}

// pendingDevice is a request of a device that can be decided about.
type pendingDevice struct {
	*authorization
	code  string // of the user, without the dash
	file  *storage.Code
	asked deviceRequest
}

// findDevice finds what a user code stands for, and judges it again. It is nil if there is
// nothing to decide about.
func (s *Server) findDevice(ctx context.Context, code string, at time.Time) (*pendingDevice, *Error) {
	if code == "" {
		return nil, nil
	}
	file, err := s.findUserCode(ctx, code, at)
	if err != nil {
		return nil, unavailable(err)
	}
	if file == nil {
		return nil, nil
	}
	return s.openDevice(ctx, code, file, at)
}

func (s *Server) openDevice(ctx context.Context, code string, file *storage.Code, at time.Time) (*pendingDevice, *Error) {
	d := &pendingDevice{code: code, file: file}
	if err := json.Unmarshal(file.Request, &d.asked); err != nil || len(d.asked.Device) != storage.DigestSize {
		return nil, broken("device_request_unreadable", errors.Join(err, errors.New("the record of a user code is not one of ours")))
	}
	client, documentHost, err := s.findClient(ctx, file.ClientID, netip.Addr{})
	if err != nil {
		return nil, unavailable(err)
	}
	if client == nil || !slices.Contains(grantTypesOf(client), grantDeviceCode) {
		return nil, nil
	}
	a, refused := s.judgeDevice(ctx, client, &d.asked, at)
	if refused != nil {
		return nil, refused
	}
	a.documentHost = documentHost
	d.authorization = a
	return d, nil
}

// prompt makes the page that asks for the decision. The user is asked every time, whatever
// they have agreed to before: who started this is not known to be them (RFC 8628 §5.4).
func (d *pendingDevice) prompt(ctx context.Context, user *User, browser string) (*DevicePrompt, *Error) {
	if _, refused := d.allowed(ctx, user); refused != nil {
		return nil, refused
	}
	sealed, refused := d.sealInteraction(ctx, deviceInteractionPurpose, interaction{
		Query: url.Values{"user_code": {d.code}}.Encode(), Subject: user.Subject,
		ExpiresAt: earlier(d.at.Add(interactionLifetime), d.file.ExpiresAt),
	}, browser)
	if refused != nil {
		return nil, refused
	}
	prompt := &DevicePrompt{
		Client: d.client, User: user, UserCode: showUserCode(d.code),
		Address: d.asked.Address, At: d.file.IssuedAt, Interaction: sealed,
		SelfDescribed: selfDescribed(d.client, d.documentHost), ClientIDHost: d.documentHost,
	}
	if prompt.Details, refused = d.describeDetails(ctx); refused != nil {
		return nil, refused
	}
	for _, identifier := range d.resources {
		if r := d.resource(identifier); r != nil {
			prompt.Resources = append(prompt.Resources, *r)
		}
	}
	for _, scope := range d.shown() {
		prompt.Scopes = append(prompt.Scopes, ScopePrompt{Name: scope, Description: d.config.Scopes[scope]})
	}
	return prompt, nil
}

// allowed asks the host's consent hook, which can only deny here.
func (a *authorization) allowed(ctx context.Context, user *User) (Decision, *Error) {
	if a.config.Consent == nil {
		return Ask, nil
	}
	person := *user
	decision, err := a.config.Consent(ctx, &ConsentRequest{
		Client: cloneClient(a.client), User: &person,
		Scopes: slices.Clone(a.scopes), Resources: slices.Clone(a.resources),
		AuthorizationDetails: joinDetails(a.details), Default: Ask,
	})
	switch {
	case err != nil:
		return Ask, broken("consent_hook_failed", err)
	case decision == Deny:
		a.emit(ctx, Event{Type: AuthorizationDenied, ClientID: a.client.ID, Subject: user.Subject, Scopes: a.scopes, Reason: "denied_by_host"})
		return Deny, failed(accessDenied, "denied_by_host", "The request was denied.")
	}
	return Ask, nil
}

// SubmitDevice handles the answer of the page that asks whether a device may have access
// (RFC 8628 §3.3). It counts once, from the browser that was shown the page, and for the
// user who was asked.
func (s *Server) SubmitDevice(ctx context.Context, sub *ConsentSubmission) (*DevicePageResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	at := s.now()
	state, refused := s.openInteraction(ctx, deviceInteractionPurpose, sub, at)
	if refused != nil {
		return nil, s.report(ctx, refused, "", "")
	}
	params, err := url.ParseQuery(state.Query)
	if err != nil {
		return nil, s.report(ctx, broken("interaction_unreadable", err), "", "")
	}
	code := params.Get("user_code")
	user, response, err := s.deviceUser(sub.HTTP, code, at)
	if user == nil {
		return response, err
	}
	if user.Subject != state.Subject {
		// Another account is signed in now: it has to be asked itself.
		return &DevicePageResponse{Redirect: s.paths.device + "?" + state.Query}, nil
	}
	pending, refused := s.findDevice(ctx, code, at)
	if refused == nil && pending == nil {
		refused = alreadyAnswered()
	}
	if refused == nil {
		_, refused = pending.allowed(ctx, user) // the hook may have changed its mind
	}
	if refused != nil {
		return nil, s.report(ctx, refused, "", user.Subject)
	}
	decided, refused := pending.decideDevice(ctx, user, sub)
	if refused != nil {
		return nil, s.report(ctx, refused, pending.client.ID, user.Subject)
	}
	return &DevicePageResponse{Decided: decided, User: user}, nil
}

// alreadyAnswered is the refusal of an answer to a page that was answered, or ran out.
func alreadyAnswered() *Error {
	refused := failed(invalidRequest, "interaction_answered", "This code has been answered already, or has expired.")
	refused.Status = http.StatusForbidden
	return refused
}

// decideDevice stores the decision, and uses up the user code, in one commit.
func (d *pendingDevice) decideDevice(ctx context.Context, user *User, sub *ConsentSubmission) (*DeviceDecided, *Error) {
	var device storage.Digest
	copy(device[:], d.asked.Device)
	decision := storage.Code{
		Digest: decisionDigest(device), Kind: storage.DeviceDecision, ClientID: d.client.ID,
		IssuedAt: d.at, ExpiresAt: d.asked.Until,
	}
	w := storage.Write{At: d.at, ConsumeCodes: []storage.Digest{d.file.Digest}}
	scopes := d.granted(sub.Scopes)
	event := Event{Type: AuthorizationDenied, ClientID: d.client.ID, Subject: user.Subject, Scopes: d.scopes, Reason: "denied_by_user"}
	approved := sub.Approve && (len(scopes) > 0 || len(d.scopes) == 0 || d.details != nil)
	if approved {
		grant := d.newGrant(user, scopes, d.asked.Until)
		decision.GrantID, w.Grants = grant.ID, []storage.Grant{*grant}
		if d.config.Lifetimes.Consent >= 0 {
			// It is not relied on here, but lets the user see what they have connected.
			consent, err := d.newConsent(ctx, user.Subject, scopes)
			if err != nil {
				return nil, unavailable(err)
			}
			w.Consents = []storage.Consent{*consent}
		}
		w.Unended = []storage.Unended{{Subject: user.Subject, ClientID: d.client.ID, Since: d.unendedSince}}
		event = Event{Type: AuthorizationGranted, ClientID: d.client.ID, Subject: user.Subject, GrantID: grant.ID, Scopes: scopes}
	}
	w.Codes = []storage.Code{decision}
	switch err := d.config.Storage.Commit(ctx, w); {
	case errors.Is(err, storage.ErrConsumed), errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrExists):
		return nil, alreadyAnswered().because(err)
	case errors.Is(err, storage.ErrRevoked):
		return nil, failed(accessDenied, "ended_meanwhile", "The user's authorizations were ended while this one was being given. Start again.").because(err)
	case err != nil:
		return nil, unavailable(err)
	}
	d.emit(ctx, event)
	return &DeviceDecided{Client: d.client, Approved: approved}, nil
}

// newGrant is what the user grants. Its life counts from when the client can have its tokens at
// the latest.
func (a *authorization) newGrant(user *User, scopes []string, until time.Time) *storage.Grant {
	expiresAt := until.Add(a.accessTokenLifetime(a.client))
	if slices.Contains(grantTypesOf(a.client), grantRefreshToken) && a.config.IssueRefreshToken(a.client, scopes) {
		expiresAt = a.at.Add(a.refreshTokenLifetime(a.client))
	}
	return &storage.Grant{
		ID: storage.NewGrantID(expiresAt), ClientID: a.client.ID, Subject: user.Subject,
		Scopes: scopes, Resources: a.resources, AuthorizationDetails: joinDetails(a.details),
		AuthTime: user.AuthTime, ACR: user.ACR, AMR: user.AMR,
		CreatedAt: a.at, ExpiresAt: expiresAt,
	}
}
