package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
)

// options are what the command line says.
type options struct {
	list, self, strict, keepAll bool

	only     []string
	parallel int
	name     string
	browser  string

	jsonFile, junitFile, htmlFile string

	backend, profile string
	remote           remote
}

// remote is what it says of a server elsewhere.
type remote struct {
	issuer, metadataFile, caFile, scope                 string
	clients, redirectURIs, users, rewrites              many
	clientFile, userFile, tokenFile                     string
	resource, resourceIdentifier, otherResource, stepUp string
	trustedIssuer, trustedIssuerJWKS, detailsFile       string
	documents, listen, certificateFile, keyFile         string
}

// many is a flag that may be given more than once.
type many []string

func (m *many) String() string { return strings.Join(*m, " ") }

func (m *many) Set(s string) error {
	*m = append(*m, s)
	return nil
}

const tokenVariable = "CONFORM_INITIAL_ACCESS_TOKEN"

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("conform", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, `usage: conform -issuer URL [flags]     test a server
       conform -self [flags]           test this project's own
       conform -list [-json FILE]      print the catalogue

`)
		f.PrintDefaults()
	}
	f.BoolVar(&o.list, "list", false, "print the catalogue of cases; with -json FILE as JSON")
	f.BoolVar(&o.self, "self", false, "start this project's own server and test that")
	f.BoolVar(&o.strict, "strict", false, "a failed SHOULD counts as much as a failed MUST")
	f.BoolVar(&o.keepAll, "keep-all", false, "keep the HTTP exchanges of cases that passed as well")
	only := f.String("only", "", "`cases` to run: IDs, beginnings of them (pkce for pkce-…), or specifications (\"RFC 7636\"), with commas")
	f.IntVar(&o.parallel, "parallel", 8, "how many cases run at once")
	f.StringVar(&o.name, "name", "", "what reports call the server")
	f.StringVar(&o.browser, "browser", "forms", "who opens pages: forms, which fills them in without script, or chromium, a real browser")
	f.StringVar(&o.jsonFile, "json", "", "write the report to this `file`, as JSON; - is standard output, instead of the table")
	f.StringVar(&o.junitFile, "junit", "", "write the report to this `file`, as JUnit XML")
	f.StringVar(&o.htmlFile, "html", "", "write the report to this `file`, as a page")

	f.StringVar(&o.backend, "backend", "bolt", "with -self: all, or some of "+strings.Join(self.Backends(), ","))
	f.StringVar(&o.profile, "profile", "everything", "with -self: all, or some of "+strings.Join(self.Profiles(), ","))

	r := &o.remote
	f.StringVar(&r.issuer, "issuer", "", "the server's issuer identifier, a `URL`, at which its metadata is found")
	f.StringVar(&r.metadataFile, "metadata", "", "a `file` with metadata (RFC 8414 §2), as JSON, of a server that publishes none, or not all")
	f.StringVar(&r.caFile, "ca", "", "a PEM `file` with a certificate authority to trust besides the system's")
	f.StringVar(&r.scope, "scope", "", "two or more `scopes` that clients may ask for, with spaces; otherwise those of the metadata")
	f.Var(&r.clients, "client", "a registered client, `id[:secret[:method]]`, with the code and refresh grants; may be repeated. Others on the machine can see command lines: -client-file keeps secrets from them")
	f.Var(&r.redirectURIs, "redirect-uri", "a redirect URI of the clients of -client, a `URL`; may be repeated (default https://client.example/callback)")
	f.StringVar(&r.clientFile, "client-file", "", "a `file` with registered clients, a JSON array of objects with client_id, client_secret, jwks (private), certificate, key, and metadata (RFC 7591 §2)")
	f.StringVar(&r.tokenFile, "initial-access-token", "", "a `file` with the initial access token for registrations (RFC 7591 §3); without it the environment variable "+tokenVariable+" may have one. It is never on the command line, which others can see")
	f.Var(&r.users, "user", "somebody who can sign in, `name:password`; may be repeated, and two are better than one. Others can see command lines: see -user-file")
	f.StringVar(&r.userFile, "user-file", "", "a `file` with a name:password in each line")
	f.StringVar(&r.resource, "resource", "", "a `URL` that access tokens open, by GET")
	f.StringVar(&r.resourceIdentifier, "resource-identifier", "", "its identifier (RFC 8707 §2), a `URL`, if that is another one")
	f.StringVar(&r.otherResource, "other-resource", "", "the identifier of another resource, a `URL`")
	f.StringVar(&r.stepUp, "step-up", "", "a `URL` that asks for a more recent sign-in (RFC 9470)")
	f.StringVar(&r.trustedIssuer, "trusted-issuer", "", "an issuer, a `URL`, whose JWTs the server takes (RFC 7523 §2.1, RFC 8693)")
	f.StringVar(&r.trustedIssuerJWKS, "trusted-issuer-jwks", "", "a `file` with its private key set")
	f.StringVar(&r.detailsFile, "authorization-details", "", "a `file` with a JSON array of two objects that clients may ask for (RFC 9396)")
	f.Var(&r.rewrites, "rewrite", "change URLs that the browser opens, `regexp=>replacement`, with $1 for what the first group matched; may be repeated")
	f.StringVar(&r.documents, "documents", "", "the https `origin` under which the server reaches what the suite publishes: key sets, metadata documents")
	f.StringVar(&r.listen, "documents-listen", ":8443", "the `address` at which they are served")
	f.StringVar(&r.certificateFile, "documents-cert", "", "a PEM `file` with the certificate for it; without one it speaks HTTP, to a proxy that has the certificate")
	f.StringVar(&r.keyFile, "documents-key", "", "a PEM `file` with the certificate's key")

	if err := f.Parse(args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			err = errors.New("see -help")
		}
		return nil, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	return o, o.check(f)
}

// forBoth are the flags that both kinds of run have.
var forBoth = []string{"self", "strict", "keep-all", "only", "parallel", "name", "browser", "json", "junit", "html"}

// check refuses what makes no sense together.
func (o *options) check(f *flag.FlagSet) (err error) {
	allowed, mode := forBoth, "-issuer"
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%q is no flag: see -help", f.Arg(0))
	case o.list:
		allowed, mode = []string{"list", "only", "json"}, "-list"
	case o.self && o.remote.issuer != "":
		return errors.New("-self and -issuer are two servers: run them apart")
	case o.self:
		allowed, mode = append(slices.Clone(forBoth), "backend", "profile"), "-self"
	case o.remote.issuer == "":
		return errors.New("which server? -issuer URL, or -self: see -help")
	}
	f.Visit(func(one *flag.Flag) {
		ours := slices.Contains(allowed, one.Name)
		if mode == "-issuer" {
			ours = ours || one.Name != "backend" && one.Name != "profile"
		}
		if !ours {
			err = fmt.Errorf("-%s says nothing with %s", one.Name, mode)
		}
	})
	if err == nil && o.browser != "forms" && o.browser != "chromium" {
		err = fmt.Errorf("-browser is forms or chromium, not %q", o.browser)
	}
	if err == nil && o.cases() == 0 {
		err = fmt.Errorf("-only %s: there is no such case: see -list", strings.Join(o.only, ","))
	}
	return err
}

// cases is how many are to be run.
func (o *options) cases() (n int) {
	for _, c := range conformance.Cases() {
		if c.Matches(o.only) {
			n++
		}
	}
	return n
}
