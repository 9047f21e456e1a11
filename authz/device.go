package authz

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// grantDeviceCode is the grant type of RFC 8628 §3.4.
const grantDeviceCode = "urn:ietf:params:oauth:grant-type:device_code"

const (
	// maxDeviceCode bounds the life of a device code. It is also what the time is rounded
	// to by which user codes are filed, so there are two places to look for one.
	maxDeviceCode = 30 * time.Minute

	// pollInterval is what a device has to wait between two polls (RFC 8628 §3.2).
	pollInterval = 5 * time.Second

	// deviceCodeKept is how long an expired device code is still told from an unknown one.
	deviceCodeKept = 10 * time.Minute
)

// DeviceAuthorization is the answer of the device authorization endpoint (RFC 8628 §3.2).
// It holds live credentials: do not log it.
type DeviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"` // seconds
	Interval                int64  `json:"interval"`   // seconds
}

// deviceRequest is what the record of a user code says about the request of the device.
type deviceRequest struct {
	Scope     string     `json:"scope,omitempty"`
	Resources []string   `json:"resource,omitempty"`
	Details   string     `json:"authorization_details,omitempty"`
	Device    []byte     `json:"device"` // digest of the device code
	Until     time.Time  `json:"until"`  // until when that can be used
	Address   netip.Addr `json:"address,omitzero"`
}

// decisionDigest names what the user decided about a device code.
func decisionDigest(device storage.Digest) storage.Digest {
	return storage.NewDigest(device.ExpiresAt(), "device decision:"+string(device[:]))
}

// AuthorizeDevice handles a request to the device authorization endpoint (RFC 8628 §3.1).
// What it returns has been stored.
func (s *Server) AuthorizeDevice(ctx context.Context, req *Request) (*DeviceAuthorization, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	client, answer, err := s.authorizeDevice(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, idOf(client), "")
	}
	return answer, nil
}

func (s *Server) authorizeDevice(ctx context.Context, req *Request) (*Client, *DeviceAuthorization, *Error) {
	if err := checkParameters(req.Parameters); err != nil {
		return nil, nil, err
	}
	client, err := s.authenticateClient(ctx, req)
	if err != nil {
		return client, nil, err
	}
	if !s.config.DeviceGrant || !slices.Contains(grantTypesOf(client), grantDeviceCode) {
		return client, nil, failed(unauthorizedClient, "grant_type_not_allowed", "This client may not use this grant type.")
	}
	asked := deviceRequest{
		Scope: req.Parameters.Get("scope"), Resources: req.Parameters["resource"],
		Details: req.Parameters.Get("authorization_details"), Address: req.Address,
	}
	at := s.now()
	if _, err := s.judgeDevice(ctx, client, &asked, at); err != nil {
		return client, nil, err
	}
	if err := s.admit(ctx, buckets(LimitDeviceAuthorizations, s.config.Limits.DeviceAuthorizations, client.ID, "", req.Address)); err != nil {
		return client, nil, err
	}
	answer, err := s.newDevice(ctx, client, asked, at)
	return client, answer, err
}

// parametersOf are those of a request that are judged again.
func parametersOf(asked *deviceRequest) url.Values {
	return url.Values{"scope": {asked.Scope}, "resource": asked.Resources, "authorization_details": {asked.Details}}
}

// judgeDevice checks what a device asks for, as the authorization endpoint does. It runs
// again when the user decides, so that what changed in between counts.
func (s *Server) judgeDevice(ctx context.Context, client *Client, asked *deviceRequest, at time.Time) (*authorization, *Error) {
	a := s.newAuthorization(parametersOf(asked), at)
	a.client = client
	for _, check := range []func(context.Context) *Error{a.checkScope, a.checkResource, a.checkDetails} {
		if err := check(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// newDevice makes the two codes and stores them in one commit.
func (s *Server) newDevice(ctx context.Context, client *Client, asked deviceRequest, at time.Time) (*DeviceAuthorization, *Error) {
	expiresAt := at.Add(s.config.Lifetimes.DeviceCode)
	code, digest := newCredential(expiresAt, expiresAt.Add(deviceCodeKept))
	asked.Device, asked.Until = digest[:], expiresAt
	request, err := json.Marshal(asked)
	if err != nil {
		return nil, broken("device_request_unencodable", err)
	}
	for range 3 { // somebody else may just have the same user code
		userCode := newUserCode()
		err = s.config.Storage.Commit(ctx, storage.Write{At: at, Codes: []storage.Code{
			{Digest: userCodeDigest(userCode, expiresAt), Kind: storage.UserCode, ClientID: client.ID, Request: request, IssuedAt: at, ExpiresAt: expiresAt},
			{Digest: digest, Kind: storage.DeviceCode, ClientID: client.ID, IssuedAt: at, ExpiresAt: expiresAt},
		}})
		if err == nil {
			shown := showUserCode(userCode)
			return &DeviceAuthorization{
				DeviceCode: code, UserCode: shown,
				VerificationURI:         s.verificationURI(),
				VerificationURIComplete: s.verificationURI() + "?" + url.Values{"user_code": {shown}}.Encode(),
				ExpiresIn:               int64(s.config.Lifetimes.DeviceCode / time.Second),
				Interval:                int64(pollInterval / time.Second),
			}, nil
		}
		if !errors.Is(err, storage.ErrExists) {
			break
		}
	}
	return nil, unavailable(err)
}

// verificationURI is the page on which users type their code.
func (s *Server) verificationURI() string { return s.base() + "/device" }

// base is what the endpoints' URLs begin with.
func (s *Server) base() string { return strings.TrimSuffix(s.config.Issuer, "/") + s.config.Prefix }
