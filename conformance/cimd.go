package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const cimdDraft = "draft-ietf-oauth-client-id-metadata-document-02"

// documented are clients whose client_id is the URL of their metadata (§6 of the draft).
var documented = is("client_id_metadata_document_supported")

// metadataDocument is what such a client says of itself, changed by some members; a nil value
// takes one out.
func (p *probe) metadataDocument(id string, changes claims) map[string]any {
	return claims{
		"client_id": id, "client_name": "Conformance " + p.c.ID, "client_uri": "https://client.example/",
		"redirect_uris": []string{"https://client.example/callback"}, "grant_types": []string{"authorization_code"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "none",
	}.changed(changes)
}

// served is such a document as clients serve it.
func served(document map[string]any) http.Handler {
	text, _ := json.Marshal(document)
	return asJSON(string(text))
}

// asJSON serves text as JSON, whatever it is.
func asJSON(text string) http.Handler { return document("application/json", text) }

// kept serves something with a Cache-Control.
func kept(control string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", control)
		h.ServeHTTP(w, r)
	})
}

// publishes publishes a document that names itself.
func (p *probe) publishes(changes claims) (*client, *publication) {
	at := p.publish(http.NotFoundHandler())
	document := p.metadataDocument(at.url, changes)
	at.change(served(document))
	return p.named(at.url, document), at
}

// named is the client of a document.
func (p *probe) named(id string, document map[string]any) *client {
	if missing := publicClients(p.run); missing != "" && document["token_endpoint_auth_method"] == "none" {
		p.notOffered("%s", missing)
	}
	c := &client{Client: Client{ID: id, Metadata: document}, p: p, http: p.run.client}
	if p.run.md.is("require_bound_access_tokens") || p.bound() {
		c.dpop = p.proofKey()
	}
	return c
}

// refusesDocument fails the case unless a client of this ID gets nowhere.
func (p *probe) refusesDocument(what, id string) {
	c := p.named(id, p.metadataDocument(id, nil))
	o := c.try()
	switch {
	case o.pushed != nil && o.pushed.status >= 400 && o.pushed.status <= 499:
	case o.pushed != nil:
		p.errorf("a document that %s: the pushed request is answered with %d", what, o.pushed.status)
	case o.sentTo != nil:
		p.errorf("a document that %s: the browser is sent to %s", what, o.sentTo.Redacted())
	case o.last != nil && o.last.status < 400:
		p.errorf("a document that %s: status %d", what, o.last.status)
	}
}

// Client ID metadata documents: the client says who it is.
var documentCases = []Case{
	{
		ID: "cimd-flow", Spec: cimdDraft, Section: "6", Level: Must,
		Request: "a client that nobody has registered sends a user, with the URL of its metadata as client_id",
		Want:    "it gets a code and tokens",
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, at := p.publishes(nil)
			c.tokens().wantAlive("the code flow")
			if at.times() == 0 {
				p.errorf("the document was not fetched")
			}
		},
	},
	{
		ID: "cimd-client-id-differs", Spec: cimdDraft, Section: "4", Level: Must,
		Request: "the client_id in the document is that of another client, is spelt in another way, or is missing",
		Want:    "an error page: the browser is sent nowhere",
		Attacks: []string{"S4"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, at := p.publishes(nil)
			good.authorize()
			other := strings.Replace(at.url, "https://", "HTTPS://", 1)
			for _, id := range []any{at.url, other, at.url + "/", "https://other.example/client.json", nil, 7, []string{at.url}} {
				bad := p.publish(http.NotFoundHandler())
				said := id
				switch id {
				case other:
					said = strings.Replace(bad.url, "https://", "HTTPS://", 1)
				case at.url + "/":
					said = bad.url + "/"
				}
				bad.change(served(p.metadataDocument(bad.url, claims{"client_id": said})))
				p.refusesDocument(fmt.Sprintf("has the client_id %v", said), bad.url)
			}
		},
	},
	{
		ID: "cimd-redirect-uri-not-in-document", Spec: cimdDraft, Section: "4.2", Level: Must,
		Request: "a request has a redirect URI that the document does not list",
		Want:    "an error page: the browser is sent nowhere",
		Attacks: []string{"A3"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			c, _ := p.publishes(nil)
			c.authorize()
			for _, uri := range []string{"https://evil.example/callback", "https://client.example/callback/", "https://client.example/callback?x=1"} {
				c.try(set("redirect_uri", uri)).wantNoAnswer()
			}
		},
	},
	{
		ID: "cimd-url-syntax", Spec: cimdDraft, Section: "3", Level: Must,
		Request: "client_ids with http, a fragment, a user name, dot segments or no path, at which there are documents that name them",
		Want:    "an error page, and nothing is fetched",
		Attacks: []string{"S1"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, at := p.publishes(nil)
			good.authorize()
			u, err := url.Parse(at.url)
			if err != nil {
				p.failf("Target.Documents has an origin that is no URL")
			}
			for _, spelt := range []func(path string) string{
				func(path string) string { return "http://" + u.Host + path },
				func(path string) string { return "https://" + u.Host + path + "#part" },
				func(path string) string { return "https://" + u.Host + path + "#" },
				func(path string) string { return "https://user@" + u.Host + path },
				func(path string) string { return "https://user:password@" + u.Host + path },
				func(path string) string { return "https://" + u.Host + "/." + path },
				func(path string) string { return "https://" + u.Host + "/x/.." + path },
				func(path string) string { return "https://" + u.Host + "/x/%2e%2e" + path },
			} {
				bad := p.publish(http.NotFoundHandler())
				id := spelt(bad.path)
				bad.change(served(p.metadataDocument(id, nil)))
				p.refusesDocument(fmt.Sprintf("is at %s", strings.Replace(id, bad.path, "/document", 1)), id)
				if n := bad.times() + bad.d.times("/."+bad.path) + bad.d.times("/x/.."+bad.path); n > 0 {
					p.errorf("%s is fetched", strings.Replace(id, bad.path, "/document", 1))
				}
			}
			p.refusesDocument("has no path", "https://"+u.Host)
		},
	},
	{
		ID: "cimd-special-addresses", Spec: cimdDraft, Section: "8.6", Level: Must,
		Request: "client_ids at addresses of the server itself, of its network, and of its cloud's metadata, in several notations",
		Want:    "an error page within seconds, and nothing is fetched",
		Attacks: []string{"S1", "S10"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, _ := p.publishes(nil)
			good.authorize()
			for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.0.1", "169.254.169.254", "[fd00::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0"} {
				id := "https://" + host + "/" + p.name("document")
				begun := time.Now()
				p.refusesDocument("is at "+host, id)
				if took := time.Since(begun); took > 10*time.Second {
					p.errorf("%s: the refusal took %v", host, took)
				}
				if fetched := p.controls().Fetched; fetched != nil && slices.Contains(fetched(), id) {
					p.errorf("%s is fetched", host)
				}
			}
		},
	},
	{
		ID: "cimd-redirects-not-followed", Spec: cimdDraft, Section: "5", Level: Must,
		Request: "the URL of a document redirects to it, in each way",
		Want:    "an error page; the redirect is not followed",
		Attacks: []string{"S3"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, _ := p.publishes(nil)
			good.authorize()
			for _, status := range []int{301, 302, 303, 307, 308} {
				from, to := p.publish(http.NotFoundHandler()), p.publish(http.NotFoundHandler())
				to.change(served(p.metadataDocument(from.url, nil)))
				from.change(http.RedirectHandler(to.url, status))
				p.refusesDocument(fmt.Sprintf("comes by a redirect with %d", status), from.url)
				if to.times() > 0 {
					p.errorf("a redirect with %d is followed", status)
				}
			}
		},
	},
	{
		ID: "cimd-status", Spec: cimdDraft, Section: "5", Level: Must,
		Request: "a good document comes with a status other than 200",
		Want:    "an error page",
		Attacks: []string{"S3"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, _ := p.publishes(nil)
			good.authorize()
			for _, status := range []int{201, 203, 206, 400, 404, 410} {
				at := p.publish(http.NotFoundHandler())
				text, _ := json.Marshal(p.metadataDocument(at.url, nil))
				at.change(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = w.Write(text) // to a server that may hang up
				}))
				p.refusesWell(fmt.Sprintf("comes with status %d", status), at.url)
			}
		},
	},
	{
		ID: "cimd-malformed", Spec: cimdDraft, Section: "4", Level: Must,
		Request: "the document is a web page, no object, cut off, or has members of the wrong type",
		Want:    "an error page",
		Attacks: []string{"S3"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, _ := p.publishes(nil)
			good.authorize()
			for _, text := range []string{"<!doctype html><title>x</title>", "[]", "null", "", `"text"`} {
				at := p.publish(asJSON(text))
				p.refusesDocument(fmt.Sprintf("is %q", text), at.url)
			}
			for _, changes := range []claims{{"redirect_uris": "https://client.example/callback"}, {"redirect_uris": nil}, {"redirect_uris": []string{}}, {"grant_types": 7}} {
				_, at := p.publishes(changes)
				p.refusesDocument(fmt.Sprintf("has %v", changes), at.url)
			}
		},
	},
	{
		ID: "cimd-secrets-refused", Spec: cimdDraft, Section: "4.1", Level: Must,
		Request: "the document has a secret, a method with a shared secret, or a private key",
		Want:    "an error page",
		Attacks: []string{"S4"},
		needs:   []feature{documented, codeFlow},
		run: func(p *probe) {
			good, _ := p.publishes(nil)
			good.authorize()
			private := map[string]any{"keys": []any{p.newKey("ES256")}}
			for _, changes := range []claims{
				{"token_endpoint_auth_method": "client_secret_basic"}, {"token_endpoint_auth_method": "client_secret_post"}, {"token_endpoint_auth_method": "client_secret_jwt"},
				{"client_secret": p.secret("client_secret")}, {"client_secret_expires_at": 0},
				{"token_endpoint_auth_method": "private_key_jwt", "jwks": private},
			} {
				_, at := p.publishes(changes)
				p.refusesDocument("has "+strings.Join(slices.Sorted(keys(changes)), " and "), at.url)
			}
		},
	},
}

// refusesWell is refusesDocument for what may be the client's fault or a failure on the way, so
// that a server may say that it cannot serve the request now.
func (p *probe) refusesWell(what, id string) {
	o := p.named(id, p.metadataDocument(id, nil)).try()
	switch {
	case o.sentTo != nil:
		p.errorf("a document that %s: the browser is sent to %s", what, o.sentTo.Redacted())
	case o.pushed != nil && o.pushed.status < 400, o.pushed == nil && o.last != nil && o.last.status < 400:
		p.errorf("a document that %s is taken", what)
	}
}
