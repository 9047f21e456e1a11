package authz

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// Client ID Metadata Documents: draft-ietf-oauth-client-id-metadata-document-02. The
// client_id is the URL of a document that says what RFC 7591 would have the client register.

// ClientIDMetadata is which clients may introduce themselves by a metadata document.
type ClientIDMetadata struct {
	// Scopes are all that such clients may ask users for.
	Scopes []string

	// Allow are the hosts (app.example.com) and the beginnings of URLs
	// (https://app.example.com/clients/) that client_ids may have. Empty for all. Taking one
	// away ends the tokens of its clients.
	Allow []string

	// AuthorizationDetailsTypes are those of Config.AuthorizationDetails that such clients may
	// ask for (RFC 9396 §10). One gets those of them that its document names.
	AuthorizationDetailsTypes []string

	// Policy sees every client that a document describes, when the document has been
	// fetched, and may change it. An *Error it returns is the answer; any other error is a
	// server_error.
	Policy func(ctx context.Context, proposal *ClientProposal) error
}

const (
	maxDocument = 5 << 10 // §8.7

	// maxDocumentAge is how long a document is kept, whatever its headers say, and how long
	// the last good one stands in for one that cannot be fetched: so long does it take at
	// most for a redirect URI that was taken out to stop working (§8.1).
	maxDocumentAge = 24 * time.Hour

	maxDocuments = 1000 // in memory
)

// documents are the clients that metadata documents describe.
type documents struct {
	*Server
	cache *fetch.Cache[*proposal]

	mu   sync.Mutex
	last map[string]goodDocument
}

// goodDocument is a document that was fetched, and what the host made of it.
type goodDocument struct {
	document *proposal
	client   *Client
}

func (s *Server) newDocuments() *documents {
	if s.config.ClientIDMetadata == nil {
		return nil
	}
	d := &documents{Server: s, last: map[string]goodDocument{}}
	d.cache = &fetch.Cache[*proposal]{
		Fetcher: fetch.New(s.config.HTTPClient), MaxBytes: maxDocument, Parse: d.parse, Entries: maxDocuments, Now: s.now,
		// §5.2: failures and what is not valid are not kept.
		MinFresh: 0, MaxFresh: maxDocumentAge, Default: time.Hour, FailedFor: 0,
	}
	return d
}

// named reports whether a client_id is the URL of a metadata document that the host lets
// in. It looks at nothing but the name (§3).
func (d *documents) named(id string) bool {
	if !strings.HasPrefix(id, "https://") || checkDocumentURL(id) != nil {
		return false
	}
	allow := d.config.ClientIDMetadata.Allow
	return len(allow) == 0 || slices.ContainsFunc(allow, func(a string) bool {
		return hostOf(id) == a || strings.HasPrefix(a, "https://") && strings.HasPrefix(id, a)
	})
}

// hostOf is the host of a URL, with its port.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// allowedClientIDs reports whether s can be in ClientIDMetadata.Allow: a host, or the
// beginning of a URL that reaches into its path, so that no other host begins with it.
func allowedClientIDs(s string) bool {
	if rest, ok := strings.CutPrefix(s, "https://"); ok {
		host, _, path := strings.Cut(rest, "/")
		return path && allowedClientIDs(host) && !strings.ContainsAny(rest, "?#")
	}
	u, err := url.Parse("https://" + s + "/")
	return err == nil && s != "" && u.Host == s && strings.ToLower(s) == s && plainHost(u)
}

// checkDocumentURL says what is wrong with a client_id as the URL of a document (§3). It is
// compared byte for byte, so there must be one way to write it.
func checkDocumentURL(raw string) error {
	if err := fetch.Check(raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	host := u.Hostname()
	_, notIP := netip.ParseAddr(host)
	switch {
	case !clientID(raw) || strings.ContainsAny(raw, " \\"):
		return errors.New("it must be printable ASCII")
	case !plainHost(u) || strings.ToLower(u.Host) != u.Host:
		return errors.New("its host must be in lower case, and its port not the default one")
	case notIP == nil || numeric(host) || !strings.Contains(host, ".") || strings.Contains("."+host, ".."):
		return errors.New("its host must be a domain name")
	case u.Path == "" || u.Path == "/":
		return errors.New("it needs a path")
	case u.String() != raw: // by which it would be fetched
		return errors.New("it must be escaped as URLs are")
	}
	for segment := range strings.SplitSeq(u.Path, "/") { // decoded, so that %2e is one too
		if segment == "." || segment == ".." {
			return errors.New("its path must not hold dot segments")
		}
	}
	return nil
}

// numeric reports whether a host ends in a number, as only addresses do, in whatever
// notation (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func numeric(host string) bool {
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if last == "" {
		return true
	}
	return !strings.ContainsFunc(last, func(r rune) bool { return r < '0' || r > '9' }) || strings.HasPrefix(last, "0x")
}

// client is the client that a document describes. While it cannot be fetched, that is the
// one that was fetched last, if that is not too long ago; then 503, and never that there is
// no such client: clients throw their tokens away when they hear that.
//
// Whoever asks for what cannot be had makes the server knock at somebody's door, and others
// wait meanwhile. So that is counted (§8.7), by where the request is from.
func (d *documents) client(ctx context.Context, id string, from netip.Addr) (*Client, error) {
	failures := buckets(LimitClientDocuments, d.config.Limits.ClientDocuments, "", "", from)
	if !d.cache.Fresh(id) {
		if refused := d.exhausted(ctx, failures); refused != nil {
			if good := d.lastGood(id); good != nil {
				return good, nil
			}
			return nil, refused
		}
	}
	var p *proposal
	var err error
	beside(ctx, func(ctx context.Context) { p, err = d.cache.Get(ctx, id) })
	if err == nil {
		return d.accepted(ctx, id, p)
	}
	var invalid *Error
	if errors.As(err, &invalid) {
		d.take(ctx, failures, 1)
		d.forget(id)
		return nil, invalid
	}
	if good := d.lastGood(id); good != nil {
		return good, nil
	}
	d.take(ctx, failures, 1)
	return nil, failed(temporarilyUnavailable, "client_document_unreachable", "The metadata document of the application could not be fetched. Try again shortly.").because(err)
}

// lastGood is the client of the document that was fetched last; nil if that is too long ago.
func (d *documents) lastGood(id string) *Client {
	d.mu.Lock()
	defer d.mu.Unlock()
	if good, kept := d.last[id]; kept && d.now().Sub(good.document.client.CreatedAt).Abs() < maxDocumentAge {
		return good.client
	}
	return nil
}

// accepted asks the host about a document, once for each time that it was fetched.
func (d *documents) accepted(ctx context.Context, id string, p *proposal) (*Client, error) {
	d.mu.Lock()
	good, kept := d.last[id]
	d.mu.Unlock()
	if kept && good.document == p {
		return good.client, nil
	}
	asked := *p
	if err := d.askPolicy(ctx, d.config.ClientIDMetadata.Policy, &asked); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !kept && len(d.last) >= maxDocuments {
		for other := range d.last { // any will do: it can be fetched again
			delete(d.last, other)
			break
		}
	}
	d.last[id] = goodDocument{p, asked.client}
	return asked.client, nil
}

func (d *documents) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.last, id)
}

// badDocument says which check a document failed. Not 401: nobody tried to authenticate.
func badDocument(reason, why string) *Error {
	e := failed(invalidClient, reason, "The metadata document of the application cannot be used: "+why+".")
	e.Status = 400
	return e
}

// parse makes a client of a document (§4).
func (d *documents) parse(id string, body []byte) (*proposal, error) {
	m, err := parseClientMetadata(body)
	if err != nil {
		return nil, badDocument("client_document_malformed", "it is not a JSON object")
	}
	said, err := m.text("client_id", maxMetadataURL)
	if err != nil || said != id {
		return nil, badDocument("client_document_of_another", "its client_id is not the URL it was fetched from")
	}
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		if _, there := m[name]; there {
			return nil, badDocument("client_document_secret", "it holds a secret")
		}
	}
	c := &Client{ID: id, CreatedAt: d.now().UTC()}
	p := &proposal{client: c, metadata: m}
	if c.TokenEndpointAuthMethod, err = m.text("token_endpoint_auth_method", maxMetadataText); err == nil {
		switch c.TokenEndpointAuthMethod {
		case "":
			c.TokenEndpointAuthMethod = authNone // client_secret_basic cannot be meant
		case authNone, "private_key_jwt":
		default:
			return nil, badDocument("client_document_auth_method", "its token_endpoint_auth_method is neither none nor private_key_jwt")
		}
	}
	if err == nil {
		err = m.describe(c)
	}
	if err == nil {
		err = d.requestObjectMetadata(m, c)
	}
	if err == nil {
		p.rejected, err = m.redirects(c)
	}
	if err == nil {
		err = d.openIDMetadata(m, c)
	}
	if err == nil {
		err = d.encryptionMetadata(m, c)
	}
	if err == nil {
		err = m.grants(c, []string{grantAuthorizationCode, grantRefreshToken})
	}
	if err == nil {
		err = d.responseTypeMetadata(m, c)
	}
	if err == nil {
		err = d.sectorMetadata(c)
	}
	if err == nil {
		err = m.scope(c, d.config.ClientIDMetadata.Scopes)
	}
	if err == nil {
		err = m.details(c, d.config.ClientIDMetadata.AuthorizationDetailsTypes)
	}
	if err != nil {
		return nil, badDocument("client_document_invalid", "a member of it is not valid").because(err)
	}
	if fault := d.checkClient(c); fault != nil {
		return nil, badDocument("client_document_invalid", "what it says does not fit together, or is not supported here").
			because(fmt.Errorf("%w; redirect URIs left out: %q", fault, p.rejected))
	}
	switch fault := d.checkSectorDocument(context.Background(), c); {
	case errors.Is(fault, errSector):
		return nil, badDocument("client_sector_invalid", "what its sector_identifier_uri leads to is not a JSON array that holds all of its redirect_uris").because(fault)
	case fault != nil:
		return nil, fault // as if the document itself had not been had
	}
	return p, nil
}
