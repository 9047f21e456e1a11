package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
)

func conform(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, problems bytes.Buffer
	status = run(t.Context(), args, &out, &problems)
	return status, out.String(), problems.String()
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// One report for each combination, in files of its name, and a line for each in the end.
func TestSelf(t *testing.T) {
	to := filepath.Join(t.TempDir(), "report.json")
	status, out, problems := conform(t, "-self", "-backend", "memory", "-profile", "default,everything", "-only", "pkce-right-verifier", "-json", to)
	if status != good {
		t.Fatalf("status %d: %s%s", status, out, problems)
	}
	for _, profile := range []string{"default", "everything"} {
		if !strings.Contains(out, "memory-"+profile+": 1 passed, 0 failed MUST") {
			t.Errorf("there is no line for %s: %s", profile, out)
		}
		text, err := os.ReadFile(strings.TrimSuffix(to, ".json") + "-memory-" + profile + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var report conformance.Report
		if err := json.Unmarshal(text, &report); err != nil || len(report.Results) != 1 || report.Results[0].Status != conformance.Passed {
			t.Errorf("%v, %+v", err, report)
		}
	}
}

// A server elsewhere, with all that can be said of it: a certificate authority, a file of
// clients, one of users.
func TestRemote(t *testing.T) {
	site, err := self.Start(t.Context(), self.Options{Backend: "memory", Profile: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	target := site.Target()
	made, err := target.Controls.NewClient(t.Context(), map[string]any{
		"redirect_uris": []string{"https://client.example/callback"}, "grant_types": []string{"authorization_code", "refresh_token"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "client_secret_basic", "scope": "read write",
	})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := json.Marshal([]conformance.Client{made})
	if err != nil {
		t.Fatal(err)
	}
	connection, err := tls.Dial("tcp", strings.TrimPrefix(site.Issuer, "https://"), target.TLS)
	if err != nil {
		t.Fatal(err)
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: connection.ConnectionState().PeerCertificates[0].Raw})
	connection.Close()
	folder := t.TempDir()
	page, xml := filepath.Join(folder, "report.html"), filepath.Join(folder, "report.xml")
	args := []string{"-issuer", site.Issuer, "-only", "pkce-right-verifier", "-scope", "read write", "-html", page, "-junit", xml,
		"-client-file", file(t, "clients.json", string(clients)), "-user-file", file(t, "users", "ana:tulip meadow\n\nben:crocus hill\n")}
	if status, out, problems := conform(t, args...); status != unknown || !strings.Contains(problems, "certificate") {
		t.Errorf("without the authority: status %d: %s%s", status, out, problems)
	}
	args = append(args, "-ca", file(t, "ca.pem", string(authority)))
	status, out, problems := conform(t, args...)
	if status != good || !strings.Contains(out, "1 passed, 0 failed MUST") {
		t.Errorf("status %d: %s%s", status, out, problems)
	}
	for name, want := range map[string]string{page: "<!doctype html>", xml: "<testsuites "} {
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v: %s", name, err, text)
		}
	}
	// Nobody can sign in without the users.
	status, out, problems = conform(t, append(args, "-user-file", "", "-user", "ana:wrong")...)
	if status != faulty || !strings.Contains(out, "FAILED pkce-right-verifier") || strings.Contains(out+problems, made.Secret) {
		t.Errorf("status %d: %s%s", status, out, problems)
	}
	// What the suite was not given is not tested, which is nothing to be proud of.
	status, out, problems = conform(t, append(args, "-client-file", "")...)
	if status != unknown || !strings.Contains(out, "0 passed") || !strings.Contains(out, "neither given nor can register") {
		t.Errorf("status %d: %s%s", status, out, problems)
	}
}

func TestList(t *testing.T) {
	status, out, problems := conform(t, "-list", "-only", "pkce")
	if status != good || !strings.Contains(out, "pkce-right-verifier ") || strings.Contains(out, "\niss-") {
		t.Errorf("status %d: %s%s", status, out, problems)
	}
	status, out, problems = conform(t, "-list", "-json", "-")
	var all []map[string]any
	if err := json.Unmarshal([]byte(out), &all); status != good || err != nil || len(all) != len(conformance.Cases()) {
		t.Fatalf("status %d, %v: %s", status, err, problems)
	}
	for _, name := range []string{"id", "spec", "section", "level", "request", "want"} {
		if text, _ := all[0][name].(string); text == "" {
			t.Errorf("%s is empty: %v", name, all[0])
		}
	}
}

// What cannot be done is said before anything is tried.
func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"which server?":                 {},
		"two servers":                   {"-self", "-issuer", "https://auth.example"},
		"-user says nothing with -self": {"-self", "-user", "a:b"},
		"-profile says nothing":         {"-issuer", "https://auth.example", "-profile", "all"},
		"-html says nothing with -list": {"-list", "-html", "x"},
		"there is no such case":         {"-self", "-only", "nothing-such"},
		`there is no "oracle"`:          {"-self", "-backend", "oracle"},
		`there is no "lax"`:             {"-self", "-profile", "lax,default"},
		"forms or chromium":             {"-self", "-browser", "lynx"},
		"no https or http URL":          {"-issuer", "auth.example"},
		"no regexp=>replacement":        {"-issuer", "https://auth.example", "-rewrite", "x"},
		"user 1 is no name:password":    {"-issuer", "https://auth.example", "-user", "hunter2"},
		"no https origin":               {"-issuer", "https://auth.example", "-documents", "http://suite.example"},
		"go together":                   {"-issuer", "https://auth.example", "-documents", "https://suite.example", "-documents-cert", "x"},
		"-client-file":                  {"-issuer", "https://auth.example", "-client-file", "/does/not/exist"},
		"is no flag":                    {"-self", "everything"},
		"see -help":                     {"-no-such-flag"},
	} {
		status, out, problems := conform(t, args...)
		if status != unknown || !strings.Contains(problems, want) || out != "" {
			t.Errorf("%q: status %d, %q, want one that says %q", args, status, problems, want)
		}
		if strings.Contains(problems, "hunter2") {
			t.Errorf("%q: the password is told: %s", args, problems)
		}
	}
}

func TestRemote_target(t *testing.T) {
	t.Setenv(tokenVariable, "of the environment")
	r := remote{
		issuer: "https://auth.example", clients: many{"app", "web:s:e:c", "post:secret:client_secret_post"}, users: many{"ana:a:b"},
		rewrites:     many{`^(https://auth\.example/authorize.*)$=>$1&login=ana`},
		metadataFile: file(t, "metadata.json", `{"token_endpoint":"https://auth.example/token"}`),
		detailsFile:  file(t, "details.json", `[{"type":"a"},{"type":"b"}]`), userFile: file(t, "users", "ben:c\n"),
	}
	target, err := r.target()
	if err != nil {
		t.Fatal(err)
	}
	type credentials struct{ id, secret, method string }
	var clients []credentials
	for _, c := range target.Clients {
		method, _ := c.Metadata["token_endpoint_auth_method"].(string)
		clients = append(clients, credentials{c.ID, c.Secret, method})
	}
	if want := []credentials{{"app", "", "none"}, {"web", "s:e:c", "client_secret_basic"}, {"post", "secret", "client_secret_post"}}; !reflect.DeepEqual(clients, want) {
		t.Errorf("clients %v, want %v", clients, want)
	}
	if want := []conformance.User{{Name: "ana", Password: "a:b"}, {Name: "ben", Password: "c"}}; !reflect.DeepEqual(target.Users, want) {
		t.Errorf("users %v, want %v", target.Users, want)
	}
	if target.InitialAccessToken != "of the environment" || target.Metadata["token_endpoint"] != "https://auth.example/token" || len(target.AuthorizationDetails) != 2 {
		t.Errorf("%+v", target)
	}
	r.tokenFile = file(t, "token", "of the file\n")
	if target, err = r.target(); err != nil || target.InitialAccessToken != "of the file" {
		t.Errorf("the token is %q, %v", target.InitialAccessToken, err)
	}
	for address, want := range map[string]string{
		"https://auth.example/authorize?a=b": "https://auth.example/authorize?a=b&login=ana",
		"https://auth.example/login":         "https://auth.example/login",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if target.Rewrite(u); u.String() != want {
			t.Errorf("%s becomes %s, want %s", address, u, want)
		}
	}
}

// The suite's documents are served under a certificate of one's own.
func TestDocuments(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	r := remote{documents: "https://example.com", listen: address,
		certificateFile: file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))),
		keyFile:         file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))}
	_, stop, err := r.serve(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Get("https://" + address + "/nothing")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", answer.StatusCode)
	}
	server.Client().CloseIdleConnections()
	stop()
	if _, err := server.Client().Get("https://" + address + "/nothing"); err == nil {
		t.Error("the documents are served after the end")
	}
	r.keyFile = r.certificateFile
	if _, _, err := r.serve(io.Discard); err == nil {
		t.Error("a certificate is a key")
	}
}
