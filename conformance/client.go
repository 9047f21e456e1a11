package conformance

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// client is a client of the server, with what it needs to speak for itself.
type client struct {
	Client
	p    *probe
	http *http.Client // presents the client's certificate, if it has one
	keys *jose.JSONWebKeySet
	dpop *proofKey // set if its tokens are bound

	says func() string // makes its assertions, instead of good ones; nil for these
}

// wanting is what a case asks of a client, by the names of RFC 7591 §2.
type wanting func(p *probe, metadata map[string]any)

// with asks for a member of the metadata; a nil value takes it away.
func with(name string, value any) wanting {
	return func(_ *probe, metadata map[string]any) {
		metadata[name] = value
		if value == nil {
			delete(metadata, name)
		}
	}
}

// method asks for a way to authenticate.
func method(name string) wanting { return with("token_endpoint_auth_method", name) }

// public asks for a client that does not authenticate.
func public() wanting { return method("none") }

// native asks for a public client on the user's device, with these redirect URIs.
func native(redirects ...string) wanting {
	return func(_ *probe, metadata map[string]any) {
		metadata["token_endpoint_auth_method"], metadata["application_type"], metadata["redirect_uris"] = "none", "native", redirects
	}
}

// redirects asks for redirect URIs.
func redirects(uris ...string) wanting { return with("redirect_uris", uris) }

// grants asks for grant types, and for no others.
func grants(types ...string) wanting {
	return func(_ *probe, metadata map[string]any) {
		metadata["grant_types"] = types
		if !slices.Contains(types, "authorization_code") && !slices.Contains(types, "implicit") {
			// Left out, they would mean the code flow (RFC 7591 §2).
			metadata["redirect_uris"], metadata["response_types"] = []string{}, []string{}
		}
	}
}

// servicing asks for a client with tokens of its own.
func servicing() wanting { return grants("client_credentials") }

// methods are the ways to authenticate that the suite prefers, where the server leaves a choice.
var methods = []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth", "none"}

// authentication is how a client authenticates if the case does not care.
func (p *probe) authentication() string {
	for _, name := range methods {
		if p.run.md.lists("token_endpoint_auth_methods_supported", name) {
			return name
		}
	}
	return methods[0]
}

// client is a client that the case may use as it likes. One that is made for the case is its
// own; one that was given to the suite is shared.
func (p *probe) client(wanted ...wanting) *client {
	asked := map[string]any{
		"client_name": "Conformance " + p.c.ID, "redirect_uris": []string{"https://client.example/callback"},
		"grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
		"token_endpoint_auth_method": p.authentication(),
	}
	if refreshing(p.run) == "" {
		asked["grant_types"] = []string{"authorization_code", "refresh_token"}
	}
	if scope := strings.Join(p.allScopes(), " "); scope != "" {
		asked["scope"] = scope
	}
	for _, want := range wanted {
		want(p, asked)
	}
	return p.clientOf(asked)
}

// clientOf is a client of this metadata.
func (p *probe) clientOf(asked map[string]any) *client {
	how, _ := asked["token_endpoint_auth_method"].(string)
	if how != "none" && !p.run.md.lists("token_endpoint_auth_methods_supported", how) {
		p.notOffered("token_endpoint_auth_methods_supported does not list %s", how)
	}
	if how == "none" {
		if missing := publicClients(p.run); missing != "" {
			p.notOffered("%s", missing)
		}
	}
	for _, grant := range texts(asked["grant_types"]) {
		if !p.run.md.lists("grant_types_supported", grant) {
			p.notOffered("grant_types_supported does not list %s", grant)
		}
	}
	c := &client{p: p, http: p.run.client}
	p.arm(c, asked, how)
	switch {
	case p.controls().NewClient != nil:
		made, err := p.controls().NewClient(p.ctx, maps.Clone(asked))
		if errors.Is(err, ErrNoSuchClient) {
			p.notTested("it takes a client with %s: %v", described(asked), err)
		}
		if err != nil {
			p.failf("Controls.NewClient: %v", err)
		}
		c.ID, c.Secret, c.Metadata = made.ID, made.Secret, asked
		c.certify(made)
	case p.given(c, asked):
	case p.run.md.text("registration_endpoint") != "" && !slices.Contains(reserved(asked), true):
		p.introduce(c, asked)
	default:
		p.notTested("it takes a client with %s, which the suite was neither given nor can register", described(asked))
	}
	p.hide("client_secret", c.Secret)
	p.hide("client_id", c.ID)
	if p.run.md.is("require_bound_access_tokens") || p.bound() {
		c.dpop = p.proofKey()
	}
	return c
}

// bound tells whether all access tokens have to be bound to a key: no member of the metadata
// says so, so that a client finds out by asking (Target.Metadata may say it for it).
func (p *probe) bound() bool {
	b, _ := p.run.target.Metadata["dpop_bound_access_tokens"].(bool)
	return b
}

// reserved says of members that only a host gives to a client.
func reserved(asked map[string]any) []bool {
	_, servesResources := asked["resource_server"]
	return []bool{servesResources}
}

// arm makes the keys with which a client authenticates or signs.
func (p *probe) arm(c *client, asked map[string]any, how string) {
	set, private := asked["jwks"].(*jose.JSONWebKeySet)
	switch {
	case private:
		c.keys = set
	case how == "private_key_jwt" || asked["request_object_signing_alg"] != nil:
		c.keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey("ES256")}}
	case how == "self_signed_tls_client_auth":
		certificate := p.certificate()
		c.present(certificate)
		c.keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{certificateKey(certificate)}}
	}
	if c.keys != nil && asked["jwks_uri"] == nil {
		public := jose.JSONWebKeySet{}
		for _, k := range c.keys.Keys {
			public.Keys = append(public.Keys, k.Public())
		}
		asked["jwks"] = public
	}
}

// present has the client present a certificate in TLS.
func (c *client) present(certificate tls.Certificate) {
	r := c.p.run
	if r.target.Transport != nil {
		c.p.notTested("certificates need Target.TLS, not Target.Transport")
	}
	config := r.target.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.Certificates = []tls.Certificate{certificate}
	transport := &http.Transport{TLSClientConfig: config, DisableCompression: true}
	c.p.after(transport.CloseIdleConnections)
	c.http = &http.Client{Transport: transport, Timeout: r.client.Timeout, CheckRedirect: r.client.CheckRedirect}
}

// certify has the client present the certificate that it was given with, if it was.
func (c *client) certify(given Client) {
	if given.CertificatePEM == "" {
		return
	}
	certificate, err := tls.X509KeyPair([]byte(given.CertificatePEM), []byte(given.KeyPEM))
	if err != nil {
		c.p.failf("the certificate of %s: %v", given.ID, err)
	}
	c.present(certificate)
}

// given takes a client that the suite was given, if there is one like it that the case does not
// have yet: one that asks for two clients is about what keeps them apart.
func (p *probe) given(c *client, asked map[string]any) bool {
	for _, one := range p.run.target.Clients {
		if slices.Contains(p.taken, one.ID) || !suits(one.Metadata, asked) {
			continue
		}
		p.taken = append(p.taken, one.ID)
		c.Client = one
		if one.JWKS != "" {
			c.keys = &jose.JSONWebKeySet{}
			if err := json.Unmarshal([]byte(one.JWKS), c.keys); err != nil {
				p.failf("Target.Clients: the JWKS of %s: %v", one.ID, err)
			}
		}
		c.certify(one)
		return true
	}
	return false
}

// suits tells whether a registered client will do for one that is asked for: the same in all
// but the values that the suite has made up, and with more grants at most.
func suits(registered, asked map[string]any) bool {
	for name, value := range asked {
		have := registered[name]
		switch name {
		case "client_name", "scope", "jwks", "response_types":
		case "redirect_uris":
			ours, theirs := texts(value), texts(have)
			if len(theirs) < len(ours) {
				return false
			}
			for _, uri := range ours {
				if !strings.HasPrefix(uri, "https://client.example/") && !slices.Contains(theirs, uri) {
					return false
				}
			}
		case "grant_types":
			for _, grant := range texts(value) {
				// A client that may refresh is asked for wherever the server has that; one that may
				// not will do for all but cases that say so when they find out.
				if grant != "refresh_token" && !slices.Contains(texts(have), grant) {
					return false
				}
			}
		case "token_endpoint_auth_method":
			if have == nil {
				have = "client_secret_basic"
			}
			if have != value {
				return false
			}
		default:
			a, _ := json.Marshal(value)
			b, _ := json.Marshal(have)
			if string(a) != string(b) {
				return false
			}
		}
	}
	return true
}

// described names what was asked for, for whoever has to provide it.
func described(asked map[string]any) string {
	short := maps.Clone(asked)
	delete(short, "client_name")
	delete(short, "jwks")
	text, _ := json.Marshal(short)
	return string(text)
}

// introduce registers the client (RFC 7591 §3.1), and deletes it in the end where it can.
func (p *probe) introduce(c *client, asked map[string]any) {
	var changes []sending
	if token := p.run.target.InitialAccessToken; token != "" {
		changes = append(changes, bearer(token))
	}
	x := p.postJSON(http.MethodPost, p.run.md.text("registration_endpoint"), asked, changes...)
	if x.status != http.StatusCreated || x.text("client_id") == "" {
		p.notTested("the server does not register a client with %s: status %d, %s: %s", described(asked), x.status, x.text("error"), x.text("error_description"))
	}
	c.ID, c.Secret, c.Metadata = x.text("client_id"), x.text("client_secret"), x.member
	if at, token := x.text("registration_client_uri"), x.text("registration_access_token"); at != "" && token != "" {
		p.after(func() {
			if r, err := http.NewRequest(http.MethodDelete, at, nil); err == nil {
				bearer(token)(r)
				if answer, err := p.run.client.Do(r); err == nil {
					answer.Body.Close()
				}
			}
		})
	}
}

// redirectURI is the client's first.
func (c *client) redirectURI() string {
	all := texts(c.Metadata["redirect_uris"])
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// way is how the client authenticates.
func (c *client) way() string {
	way, _ := c.Metadata["token_endpoint_auth_method"].(string)
	if way == "" {
		return "client_secret_basic"
	}
	return way
}

// authenticate adds what the client authenticates with to a form, or to the request.
func (c *client) authenticate(form url.Values) []sending {
	switch c.way() {
	case "client_secret_basic":
		return []sending{c.basic(c.ID, c.Secret)}
	case "client_secret_post":
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret)
	case "private_key_jwt", "client_secret_jwt":
		form.Set("client_assertion_type", assertionType)
		switch {
		case c.says != nil:
			form.Set("client_assertion", c.says())
		case c.way() == "private_key_jwt":
			form.Set("client_assertion", c.assertion(nil))
		default:
			form.Set("client_assertion", c.secretAssertion(nil))
		}
	default:
		form.Set("client_id", c.ID)
	}
	return nil
}

// basic is HTTP Basic with a client's credentials (RFC 6749 §2.3.1).
func (c *client) basic(id, secret string) sending {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// at is the URL of an endpoint for this client: where it presents a certificate, the one that
// asks for it (RFC 8705 §5).
func (c *client) at(endpoint string) string {
	if c.http != c.p.run.client {
		aliases, _ := c.p.run.md["mtls_endpoint_aliases"].(map[string]any)
		if alias, ok := aliases[endpoint].(string); ok {
			return alias
		}
	}
	return c.p.endpoint(endpoint)
}

// post sends a form to an endpoint as the client.
func (c *client) post(endpoint string, form url.Values, changes ...sending) *exchange {
	form = maps.Clone(form)
	changes = append(c.authenticate(form), changes...)
	return c.p.postWith(c.http, c.at(endpoint), form, changes...)
}
