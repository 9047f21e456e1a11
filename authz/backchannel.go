package authz

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
)

// OpenID Connect Client-Initiated Backchannel Authentication (CIBA) Core 1.0: a client that
// knows of a user asks here, the host asks the user on a device of theirs, and the client gets
// its tokens at the token endpoint. It learns that they are there by asking again (poll), or is
// told (ping). They are not sent to it (push).

// grantBackchannel is the grant type of CIBA Core §4.
const grantBackchannel = "urn:openid:params:grant-type:ciba"

// maxBackchannelAuthentication bounds the life of an auth_req_id. What follows from it has to
// know of revocations since it began; see storage.RememberEnded.
const maxBackchannelAuthentication = 30 * time.Minute

// BackchannelAuthentication are the hooks for authentication that a client initiates while the
// user is not at a browser of its (OpenID Connect CIBA Core 1.0). They have as long as
// Config.StorageTimeout, so hand what takes longer to a queue.
//
// Each fails with one of [ErrUnknownUser], [ErrExpiredLoginHintToken], [ErrMissingUserCode] and
// [ErrInvalidUserCode], or with an *Error, such as access_denied with status 403 or
// invalid_binding_message with 400 (§13). Any other error is a server_error.
type BackchannelAuthentication struct {
	// FindUser resolves the hint and returns the user's Subject. It prompts nobody. Which users
	// there are shows in the answer, as §13 has it; a host that would rather not tell returns
	// a subject of nobody's, for whom Prompt then does nothing: that request expires.
	FindUser func(ctx context.Context, req *BackchannelAuthenticationRequest) (subject string, err error)

	// Prompt asks the user, on a device of theirs, by a push message for instance, and does not
	// wait for what they say. By then the request is stored, so that the answer may come
	// at any time, to any replica: see [Server.CompleteBackchannelAuthentication]. The page or
	// app that asks gets what to show from [Server.PendingBackchannelAuthentication].
	Prompt func(ctx context.Context, req *BackchannelAuthenticationRequest) error

	// CheckUserCode checks the user_code, a secret between the user and the host that keeps
	// strangers from having them prompted (§7.1.2): ErrMissingUserCode for a user who has one
	// if it is empty, ErrInvalidUserCode if it is wrong. Nil if there are no such codes.
	CheckUserCode func(ctx context.Context, req *BackchannelAuthenticationRequest) error
}

// What the hooks of [BackchannelAuthentication] may answer (OpenID Connect CIBA Core §13).
var (
	ErrUnknownUser           = errors.New("authz: the hint names no user")
	ErrExpiredLoginHintToken = errors.New("authz: the login_hint_token has expired")
	ErrMissingUserCode       = errors.New("authz: the user has a user code, and none was sent")
	ErrInvalidUserCode       = errors.New("authz: the user code is wrong")
)

// BackchannelAuthenticationRequest is what a client asks of a user.
type BackchannelAuthenticationRequest struct {
	// ID names the request to the host and to the user's device, for as long as it waits for
	// an answer. It is empty until Prompt is called. Nobody gets tokens for it, but whoever
	// knows it may look at the request, so do not log it.
	ID string

	Client *Client

	// Subject is the user: for FindUser that of the id_token_hint, which is empty where there
	// is another hint.
	Subject string

	// LoginHint and LoginHintToken are the parameters of these names, for FindUser alone. The
	// latter comes as it was sent: who may issue it and what is in it is for the host to say.
	LoginHint      string
	LoginHintToken string

	// UserCode is the parameter of that name, for CheckUserCode alone.
	UserCode string

	// BindingMessage is what the client shows as well, so that the user can tell that both are
	// about the same thing; empty for none. It is plain text by a client: escape it, and make
	// no links of it.
	BindingMessage string

	// ACRValues are the authentication context classes that the client would like, the best one
	// first.
	ACRValues []string

	// Scopes, Resources and Details are as in [ConsentPrompt], for all but FindUser.
	Scopes    []ScopePrompt
	Resources []Resource
	Details   []DetailPrompt

	// SelfDescribed and ClientIDHost are as in [ConsentPrompt]. Address is where the client sent
	// its request from, the zero Addr if that is not known.
	SelfDescribed bool
	ClientIDHost  string
	Address       netip.Addr

	// At is when the client asked; an answer counts until ExpiresAt.
	At        time.Time
	ExpiresAt time.Time
}

// BackchannelAuthenticationResponse is the answer of the backchannel authentication endpoint
// (OpenID Connect CIBA Core §7.3). It holds a live credential: do not log it.
type BackchannelAuthenticationResponse struct {
	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int64  `json:"expires_in"` // seconds
	Interval  int64  `json:"interval"`   // seconds
}

// backchannelRequest is what the record of a prompt says about the request. Its Device is the
// digest of the auth_req_id.
type backchannelRequest struct {
	deviceRequest
	Subject        string   `json:"sub"`
	BindingMessage string   `json:"binding_message,omitempty"`
	ACRValues      []string `json:"acr_values,omitempty"`

	// Ping is what the client is to be told, sealed under the ID of the prompt; nil for poll.
	Ping []byte `json:"ping,omitempty"`
}

// backchannel is a request on its way through the endpoint.
type backchannel struct {
	*authorization
	asked             backchannelRequest
	hinted            string // the subject of the id_token_hint
	hint, hintToken   string
	userCode          string
	notificationToken string
	lifetime          time.Duration
	marks             []storage.Code // that the signed request was used
}

// AuthenticateBackchannel handles a request to the backchannel authentication endpoint (OpenID
// Connect CIBA Core §7). What it returns has been stored, and the user is being asked.
func (s *Server) AuthenticateBackchannel(ctx context.Context, req *Request) (*BackchannelAuthenticationResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	b, client, err := s.readBackchannel(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, idOf(client), "")
	}
	if err := b.findUser(ctx); err != nil {
		return nil, s.report(ctx, err, client.ID, b.hinted)
	}
	response, err := b.begin(ctx)
	if err != nil {
		return nil, s.report(ctx, err, client.ID, b.asked.Subject)
	}
	return response, nil
}

// readBackchannel authenticates the client and checks everything that takes no hook.
func (s *Server) readBackchannel(ctx context.Context, req *Request) (*backchannel, *Client, *Error) {
	if err := checkParameters(req.Parameters); err != nil {
		return nil, nil, err
	}
	client, err := s.authenticateClient(ctx, req)
	switch {
	case err != nil:
		return nil, client, err
	case s.config.BackchannelAuthentication == nil || !slices.Contains(grantTypesOf(client), grantBackchannel):
		return nil, client, failed(unauthorizedClient, "grant_type_not_allowed", "This client may not use this grant type.")
	case public(client): // a host's own client storage may hold anything
		return nil, client, failed(unauthorizedClient, "public_client", "This client may not use this grant type.")
	}
	b := &backchannel{authorization: s.newAuthorization(req.Parameters, s.now())}
	b.client, b.address = client, req.Address
	if s.documents != nil {
		var fault error
		if _, b.documentHost, fault = s.findClient(ctx, client.ID, req.Address); fault != nil {
			return nil, client, unavailable(fault)
		}
	}
	for _, check := range checksOfBackchannel {
		if err := check(b, ctx); err != nil {
			return nil, client, err
		}
	}
	return b, client, s.admit(ctx, buckets(LimitBackchannelAuthentications, s.config.Limits.BackchannelAuthentications, client.ID, "", req.Address))
}

// findUser asks the host whom the client means, and whether it may have them asked.
func (b *backchannel) findUser(ctx context.Context) *Error {
	hooks := b.config.BackchannelAuthentication
	strangers := buckets(LimitUnknownUsers, b.config.Limits.UnknownUsers, b.client.ID, "", b.address)
	if err := b.exhausted(ctx, strangers); err != nil {
		return err
	}
	subject, err := hooks.FindUser(ctx, &BackchannelAuthenticationRequest{
		Client: cloneClient(b.client), Subject: b.hinted, LoginHint: b.hint, LoginHintToken: b.hintToken,
		BindingMessage: b.asked.BindingMessage, ACRValues: slices.Clone(b.asked.ACRValues), Address: b.address, At: b.at,
	})
	switch refused := refusedByBackchannelHook("FindUser", err); {
	case refused != nil:
		if refused.Code == unknownUserID {
			b.take(ctx, strangers, 1)
		}
		return refused
	case subject == "" || b.hinted != "" && subject != b.hinted:
		return broken("backchannel_hook_failed", errors.New("the FindUser hook returned no subject, or another one than that of the id_token_hint; return ErrUnknownUser for a user who is not to be asked"))
	}
	b.asked.Subject = subject
	if hooks.CheckUserCode == nil {
		return nil
	}
	guesses := b.ofUser(LimitUserCodes, b.config.Limits.UserCodes, false) // no client locks a user out at another
	if err := b.exhausted(ctx, guesses); err != nil {
		return err
	}
	refused := refusedByBackchannelHook("CheckUserCode", hooks.CheckUserCode(ctx, &BackchannelAuthenticationRequest{
		Client: cloneClient(b.client), Subject: subject, UserCode: b.userCode, Address: b.address, At: b.at,
	}))
	if refused != nil && refused.Code == invalidUserCode {
		b.take(ctx, guesses, 1)
	}
	return refused
}

// ofUser are the buckets in which a user counts: at this client and, if everywhere, at all of
// them.
func (b *backchannel) ofUser(kind LimitKind, limit Limit, everywhere bool) []bucket {
	if limit.Burst < 0 {
		return nil
	}
	of := []bucket{{LimitKey{Kind: kind, Client: b.client.ID, Subject: b.asked.Subject}, limit}}
	if everywhere {
		limit.Burst, limit.Every = limit.Burst*addressFactor, limit.Every/addressFactor
		of = append(of, bucket{LimitKey{Kind: kind, Subject: b.asked.Subject}, limit})
	}
	return of
}

// begin stores the request, in one commit, and has the user asked.
func (b *backchannel) begin(ctx context.Context) (*BackchannelAuthenticationResponse, *Error) {
	if err := b.admit(ctx, b.ofUser(LimitBackchannelPrompts, b.config.Limits.BackchannelPrompts, true)); err != nil {
		return nil, err
	}
	expiresAt := b.at.Add(b.lifetime)
	authReqID, digest := newCredential(expiresAt, expiresAt.Add(deviceCodeKept))
	id, promptDigest := newCredential(expiresAt, expiresAt)
	b.asked.Device, b.asked.Until = digest[:], expiresAt
	if err := b.sealNotification(id, authReqID); err != nil {
		return nil, err
	}
	pending := &pendingBackchannel{authorization: b.authorization, id: id, asked: b.asked}
	prompt, refused := pending.describe(ctx)
	if refused != nil {
		return nil, refused
	}
	request, err := json.Marshal(b.asked)
	if err != nil {
		return nil, broken("backchannel_request_unencodable", err)
	}
	w := storage.Write{At: b.at, Codes: append([]storage.Code{
		{Digest: digest, Kind: storage.BackchannelRequest, ClientID: b.client.ID, IssuedAt: b.at, ExpiresAt: expiresAt},
		{Digest: promptDigest, Kind: storage.BackchannelPrompt, ClientID: b.client.ID, Request: request, IssuedAt: b.at, ExpiresAt: expiresAt},
	}, b.marks...)}
	switch err := b.config.Storage.Commit(ctx, w); {
	case errors.Is(err, storage.ErrExists) && b.marks != nil:
		return nil, badBackchannelRequest("replayed", "has been used already") // the one thing added that may be there
	case err != nil:
		return nil, unavailable(err)
	}
	if refused := refusedByBackchannelHook("Prompt", b.config.BackchannelAuthentication.Prompt(ctx, prompt)); refused != nil {
		// Nobody was asked, so nobody may answer. Should this fail as well, it expires. The hook may
		// have taken all the time there was.
		ctx, release := b.bounded(context.WithoutCancel(ctx))
		defer release()
		b.config.Storage.Commit(ctx, storage.Write{At: b.at, ConsumeCodes: []storage.Digest{promptDigest}})
		return nil, refused
	}
	return &BackchannelAuthenticationResponse{authReqID, int64(b.lifetime / time.Second), int64(pollInterval / time.Second)}, nil
}

// sealNotification keeps what the client is to be told for when the user answers, maybe on
// another replica. It takes the ID of the prompt to read that, which the host has and the store
// does not.
func (b *backchannel) sealNotification(id, authReqID string) *Error {
	if b.client.BackchannelTokenDeliveryMode != deliveryPing {
		return nil
	}
	plain, err := json.Marshal(notification{authReqID, b.notificationToken})
	if err == nil {
		b.asked.Ping, err = keyring.SealFor(id, notificationPurpose, plain)
	}
	if err != nil {
		return broken("backchannel_notification_unsealable", err)
	}
	return nil
}

// refusedByBackchannelHook is what the client is told about an error of a hook.
func refusedByBackchannelHook(hook string, err error) *Error {
	var refused *Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnknownUser):
		return failed(unknownUserID, "user_unknown", "The hint does not tell which user is meant.")
	case errors.Is(err, ErrExpiredLoginHintToken):
		return failed(expiredLoginHintToken, "login_hint_token_expired", "The login_hint_token has expired.")
	case errors.Is(err, ErrMissingUserCode):
		return failed(missingUserCode, "user_code_missing", "The user_code parameter is missing.")
	case errors.Is(err, ErrInvalidUserCode):
		return failed(invalidUserCode, "user_code_wrong", "The user_code is not valid.")
	case errors.As(err, &refused):
		return refused.fromHost()
	}
	return broken("backchannel_hook_failed", errors.Join(errors.New("the "+hook+" hook failed"), err))
}

// completeBackchannel finds the faults of the configuration.
func (c *Config) completeBackchannel(fault func(field, format string, args ...any)) {
	b := c.BackchannelAuthentication
	if b == nil {
		return
	}
	if !c.openID() {
		fault("BackchannelAuthentication", "is set, but OpenID Connect is off; add the scope openid to Scopes")
	}
	if b.FindUser == nil || b.Prompt == nil {
		fault("BackchannelAuthentication", "needs FindUser, which tells whom a hint means, and Prompt, which asks them")
	}
	hooks := *b
	c.BackchannelAuthentication = &hooks
}

// describeBackchannel adds what CIBA Core §4 asks for.
func (s *Server) describeBackchannel(m *Metadata) {
	hooks := s.config.BackchannelAuthentication
	if hooks == nil {
		return
	}
	const name = "/backchannel_authentication"
	m.BackchannelAuthenticationEndpoint = s.base() + name
	m.BackchannelTokenDeliveryModesSupported = []string{deliveryPoll, deliveryPing}
	m.BackchannelAuthenticationRequestSigningAlgValuesSupported = slices.Clone(s.config.keyAlgs())
	m.BackchannelUserCodeParameterSupported = hooks.CheckUserCode != nil
	if m.MTLSEndpointAliases != nil {
		m.MTLSEndpointAliases["backchannel_authentication_endpoint"] = s.config.MutualTLSOrigin + s.paths.prefix + name
	}
}
