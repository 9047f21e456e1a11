package interop_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance/browser"
)

const apacheModules = "/usr/lib/apache2/modules" // where Debian has them

// apacheConfig puts an Apache that signs users in before an application: it hands on who they
// are in headers. What is under /eager/ has a token that is never older than a request.
const apacheConfig = `
ServerName 127.0.0.1
Listen 127.0.0.1:%[1]s
PidFile %[2]s/pid
DefaultRuntimeDir %[2]s
ErrorLog %[2]s/error.log
LogLevel warn auth_openidc:info
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authn_core_module %[3]s/mod_authn_core.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule authz_user_module %[3]s/mod_authz_user.so
LoadModule proxy_module %[3]s/mod_proxy.so
LoadModule proxy_http_module %[3]s/mod_proxy_http.so
LoadModule auth_openidc_module %[3]s/mod_auth_openidc.so
ThreadsPerChild 8
ServerLimit 1
StartServers 1
MinSpareThreads 1
MaxSpareThreads 8
MaxRequestWorkers 8

OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret %[5]s
OIDCRedirectURI /signed-in
OIDCCryptoPassphrase %[6]s
OIDCScope "openid email offline_access"
OIDCPKCEMethod S256
OIDCRemoteUserClaim sub
OIDCCacheType shm
%[8]s

ProxyPass /signed-in !
ProxyPass / %[7]s/
<Location />
  AuthType openid-connect
  Require valid-user
  OIDCPassRefreshToken On
</Location>
<Location /eager/>
  OIDCRefreshAccessTokenBeforeExpiry 7200
</Location>
<Location /bye>
  AuthType none
  Require all granted
</Location>
`

// apache is a site of one application behind mod_auth_openidc, and its users' host.
type apache struct {
	*openIDHost
	site      string
	browser   *browser.Page
	signedOut atomic.Bool
	session   atomic.Int64               // of ana at the host
	asked     atomic.Pointer[url.Values] // the authorization request
}

// newApache starts both. Apache runs as its own process, never as root.
func newApache(t *testing.T, directives string) *apache {
	t.Helper()
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "/usr/sbin/apache2" // which is not on everybody's path
	}
	for _, file := range []string{program, apacheModules + "/mod_auth_openidc.so"} {
		if _, err := os.Stat(file); err != nil {
			skip(t, fmt.Errorf("apache2 with libapache2-mod-auth-openidc is not installed: %w", err))
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	a := &apache{site: "http://127.0.0.1:" + port}
	a.openIDHost = newOpenIDHost(t, func(c *authz.Config) {
		site := c.Clients[0] // web
		site.ID, site.Scopes, site.ApplicationType = "apache", []string{"openid", "email", "offline_access"}, "native"
		site.RedirectURIs, site.PostLogoutRedirectURIs = []string{a.site + "/signed-in"}, []string{a.site + "/bye"}
		site.BackchannelLogoutURI = a.site + "/signed-in?logout=backchannel"
		c.Clients = append(c.Clients, site)
		c.Sessions, c.HTTPClient = true, http.DefaultClient // which connects to loopback
		login := c.Login
		c.Login = func(r *http.Request) (*authz.User, error) {
			params := r.URL.Query()
			a.asked.Store(&params)
			if a.signedOut.Load() {
				return nil, authz.RedirectToLogin("/login")
			}
			user, err := login(r)
			if user != nil {
				user.SessionID = fmt.Sprint("session ", a.session.Load())
			}
			return user, err
		}
		c.Logout = func(http.ResponseWriter, *http.Request) error {
			a.signedOut.Store(true)
			a.session.Add(1)
			return nil
		}
	})
	a.Config.Handler.(*http.ServeMux).HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "who are you?")
	})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{
			"path": r.URL.Path, "user": r.Header.Get("OIDC_CLAIM_sub"), "email": r.Header.Get("OIDC_CLAIM_email"),
			"access": r.Header.Get("OIDC_access_token"), "refresh": r.Header.Get("OIDC_refresh_token"), "aud": r.Header.Get("OIDC_CLAIM_aud"),
		})
	}))
	t.Cleanup(app.Close)
	passphrase, _ := authz.NewSecret()
	a.run(t, program, func(dir string) string {
		return fmt.Sprintf(apacheConfig, port, dir, apacheModules, a.URL, a.secret, passphrase, app.URL, directives)
	})
	return a
}

// run starts Apache in a folder of its own, and ends it with the test.
func (a *apache) run(t *testing.T, program string, config func(dir string) string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "grantor-apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf := filepath.Join(dir, "apache.conf")
	if err := os.WriteFile(conf, []byte(config(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-DFOREGROUND", "-f", conf, "-d", dir)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if os.Getuid() == 0 {
		uid, gid := nobody(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		if err := errors.Join(os.Chown(dir, int(uid), int(gid)), os.Chown(conf, int(uid), int(gid))); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			t.Error("Apache did not end")
		}
		if log, err := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() && err == nil {
			t.Logf("Apache's log ends:\n%s", log[max(0, len(log)-12<<10):])
		}
	})
	for range 100 {
		if c, err := net.Dial("tcp", strings.TrimPrefix(a.site, "http://")); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("Apache ended: %v\n%s", err, said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("Apache does not listen")
}

func nobody(t *testing.T) (uid, gid uint32) {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return uint32(id), uint32(group)
}

// visit opens a page of the application, and returns what Apache tells it about the user.
func (a *apache) visit(t *testing.T, path string) map[string]string {
	t.Helper()
	a.open(t, path)
	a.browser.Await("document.body.innerText.startsWith('{')")
	text, _ := a.browser.Eval("document.body.innerText").(string)
	var told map[string]string
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return told
}

func (a *apache) open(t *testing.T, path string) {
	t.Helper()
	if a.browser == nil {
		a.browser = browser.Open(t, a.site+path)
	} else {
		a.browser.Visit(a.site + path)
	}
}

// eventually waits for what another process has to hear of first.
func (a *apache) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

// at is where the browser is.
func (a *apache) at() string {
	address, _ := a.browser.Eval("location.href").(string)
	return address
}

// Debian's mod_auth_openidc behind a real Apache, with a user at Chromium: the code flow with
// PKCE, the answer in the query and as a form, UserInfo, refresh, logout by the back channel and
// by the site.
func TestModAuthOpenIDC(t *testing.T) {
	for mode, directive := range map[string]string{"query": "", "form_post": "OIDCResponseMode form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := newApache(t, directive)
			told := a.visit(t, "/desk")
			if told["path"] != "/desk" || told["user"] != "ana" || told["email"] != "ana@example.com" || told["aud"] != "apache" || told["refresh"] == "" {
				t.Fatalf("%v", told)
			}
			if asked := a.asked.Load(); asked.Get("code_challenge_method") != "S256" || asked.Get("nonce") == "" || cmp.Or(asked.Get("response_mode"), "query") != mode {
				t.Errorf("asked with %v", asked)
			}
			verified, err := a.as.VerifyAccessToken(t.Context(), told["access"])
			if err != nil || verified.Subject != "ana" || verified.ClientID != "apache" {
				t.Errorf("%+v, %v", verified, err)
			}
			if again := a.visit(t, "/desk"); again["access"] != told["access"] {
				t.Error("another token for the same session")
			}

			// By the hook of the module, and by itself before a token expires.
			hook := url.Values{"refresh": {a.site + "/desk"}, "access_token": {told["access"]}}
			refreshed := a.visit(t, "/signed-in?"+hook.Encode())
			if refreshed["path"] != "/desk" || refreshed["access"] == told["access"] || refreshed["refresh"] == told["refresh"] || refreshed["user"] != "ana" {
				t.Errorf("the hook: %v", refreshed)
			}
			eager := a.visit(t, "/eager/desk")
			if eager["access"] == refreshed["access"] || eager["refresh"] == refreshed["refresh"] || eager["user"] != "ana" {
				t.Errorf("before it expires: %v", eager)
			}
			if _, err := a.as.VerifyAccessToken(t.Context(), eager["access"]); err != nil {
				t.Error(err)
			}

			// The back channel: signed out by the host, without the browser (Back-Channel Logout
			// §2.5). Of one session: this release of the module goes by sid, and RevokeUser's token
			// has sub alone.
			if err := a.as.RevokeSession(t.Context(), "ana", "session 0"); err != nil {
				t.Fatal(err)
			}
			a.eventually(t, "the site has heard of the logout", func() bool {
				a.signedOut.Store(true)
				a.open(t, "/desk")
				return strings.HasPrefix(a.at(), a.URL+"/login")
			})
			a.signedOut.Store(false)
			if again := a.visit(t, "/desk"); again["user"] != "ana" || again["access"] == eager["access"] {
				t.Errorf("signed in again: %v", again)
			}

			a.open(t, "/signed-in?"+url.Values{"logout": {a.site + "/bye"}}.Encode())
			a.browser.Await("location.pathname === '/bye'")
			if !a.signedOut.Load() {
				t.Error("the host's session is still there")
			}
			a.open(t, "/desk")
			a.browser.Await("document.body.innerText === 'who are you?'")
			if at := a.at(); !strings.HasPrefix(at, a.URL+"/login") {
				t.Errorf("the browser is at %s", at)
			}
		})
	}
}
