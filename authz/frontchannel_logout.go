package authz

import (
	"net/url"
	"slices"
)

// OpenID Connect Front-Channel Logout 1.0: the page after a logout opens a page of each client
// in a frame, which ends the client's session in that browser.

// frontChannel reports whether clients can be told so. It takes a logout that happens in the
// browser, and sessions, to know by which clients the user was signed in.
func (s *Server) frontChannel() bool {
	return s.config.openID() && s.config.Logout != nil && s.config.Sessions
}

// LogoutFrame is a page of a client that ends the user's session there when it is opened
// (OpenID Connect Front-Channel Logout §2).
type LogoutFrame struct {
	// URL has the parameters iss and sid, by which the client knows that it is meant.
	URL string

	// Origin is scheme, host and port of URL, for the Content-Security-Policy of the page
	// that holds the frame.
	Origin string
}

// logoutFrames are those of the clients that the user was signed in to. What a host's own
// client storage says was not checked before.
func (s *Server) logoutFrames(clients []signedInTo, subject, session string) ([]LogoutFrame, *Error) {
	if !s.frontChannel() {
		return nil, nil
	}
	var frames []LogoutFrame
	for _, to := range clients {
		c := to.client
		if c == nil || c.FrontchannelLogoutURI == "" || checkFrontchannelLogoutURI(c) != nil {
			continue
		}
		sid, refused := s.sidFor(c, subject, session)
		if refused != nil {
			return nil, refused
		}
		frame := LogoutFrame{
			URL:    withQuery(c.FrontchannelLogoutURI, url.Values{"iss": {s.config.Issuer}, "sid": {sid}}),
			Origin: frameOrigin(c.FrontchannelLogoutURI),
		}
		if !slices.Contains(frames, frame) {
			frames = append(frames, frame)
		}
	}
	return frames, nil
}
