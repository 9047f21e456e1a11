package authz

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// What clients register to be told of logouts: OpenID Connect Back-Channel Logout §2.2,
// Front-Channel Logout §2.

// logoutMetadata fills in what a client says of itself. Its back channel is one that this
// server calls, so from a stranger it has to be an https URL.
func (s *Server) logoutMetadata(m clientMetadata, c *Client) (err *Error) {
	if c.BackchannelLogoutURI, err = m.text("backchannel_logout_uri", maxMetadataURL); err != nil {
		return err
	}
	if c.BackchannelLogoutURI != "" && (fetch.Check(c.BackchannelLogoutURI) != nil || checkRedirectURI(c.BackchannelLogoutURI, false) != nil) {
		return badMetadata("backchannel_logout_uri", "must be an https URL without a fragment")
	}
	if c.BackchannelLogoutSessionRequired, err = m.flag("backchannel_logout_session_required"); err != nil {
		return err
	}
	required, err := m.flag("frontchannel_logout_session_required")
	if err != nil {
		return err
	}
	if s.frontChannel() { // otherwise it means nothing here
		c.FrontchannelLogoutSessionRequired = required
		if c.FrontchannelLogoutURI, err = m.text("frontchannel_logout_uri", maxMetadataURL); err != nil {
			return err
		}
		if c.FrontchannelLogoutURI != "" && checkFrontchannelLogoutURI(c) != nil {
			return badMetadata("frontchannel_logout_uri", "must have scheme, host and port of one of redirect_uris, and no fragment")
		}
	}
	if (c.BackchannelLogoutSessionRequired || required) && !s.config.Sessions {
		return badMetadata("backchannel_logout_session_required", "or frontchannel_logout_session_required is set, and this server names no sessions")
	}
	return nil
}

// checkLogoutClient says what is wrong with how a client is to be told.
func (s *Server) checkLogoutClient(c *Client, fault func(field, format string, args ...any)) {
	if uri := c.BackchannelLogoutURI; uri != "" {
		if err := checkRedirectURI(uri, false); err != nil {
			fault("BackchannelLogoutURI", "%q: %v", uri, err)
		} else if onDevice(uri) && s.config.HTTPClient == nil {
			fault("BackchannelLogoutURI", "%q is on this machine, and the built-in client connects to public addresses only; set Config.HTTPClient to one that connects there, such as http.DefaultClient", uri)
		}
		if !s.config.openID() {
			fault("BackchannelLogoutURI", "is for OpenID Connect; add the scope openid to Config.Scopes, or take it out")
		}
	}
	if uri := c.FrontchannelLogoutURI; uri != "" {
		if err := checkFrontchannelLogoutURI(c); err != nil {
			fault("FrontchannelLogoutURI", "%q: %v", uri, err)
		}
		if !s.frontChannel() {
			fault("FrontchannelLogoutURI", "needs Config.Logout and Config.Sessions; set both, or take it out")
		}
	}
	for field, required := range map[string]bool{
		"BackchannelLogoutSessionRequired": c.BackchannelLogoutSessionRequired, "FrontchannelLogoutSessionRequired": c.FrontchannelLogoutSessionRequired,
	} {
		if required && !s.config.Sessions {
			fault(field, "needs Config.Sessions: a Login hook that says which session a user is in")
		}
	}
}

// checkFrontchannelLogoutURI: it is opened in the user's browser, beside others', and so has
// to be where the client's redirect URIs are (Front-Channel Logout §2).
func checkFrontchannelLogoutURI(c *Client) error {
	if err := checkRedirectURI(c.FrontchannelLogoutURI, false); err != nil {
		return err
	}
	origin := frameOrigin(c.FrontchannelLogoutURI)
	if origin == "" {
		return errors.New("its host must be written plainly")
	}
	if !slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return frameOrigin(uri) == origin }) {
		return fmt.Errorf("it must have scheme, host and port of one of the RedirectURIs (Front-Channel Logout §2)")
	}
	return nil
}

// frameOrigin is the origin of a web page as a Content-Security-Policy names it; empty if it
// has none, or one that could be read as more than a host.
func frameOrigin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
		strings.ContainsFunc(u.Host, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:[]", r)
		}) {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}
