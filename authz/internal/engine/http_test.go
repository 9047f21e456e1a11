package engine_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/handlers"
)

// These facts are about HTTP, so our half goes through package handlers.

func (s *ours) http(t testing.TB, method, path string, body *bytes.Buffer, header ...string) answer {
	if body == nil {
		body = &bytes.Buffer{}
	}
	r := httptest.NewRequest(method, issuer+"/oauth2"+path, body)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(t, handlers.New(s.Server.Server).ServeHTTP, r)
}

const formType = "application/x-www-form-urlencoded"

// multipartForm is a form with a file of two megabytes that nobody has asked for.
func multipartForm(t *testing.T, form url.Values) (*bytes.Buffer, string) {
	t.Helper()
	body := &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for name := range form {
		if err := w.WriteField(name, form.Get(name)); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("file", "f")
	if err == nil {
		_, err = file.Write(make([]byte, 2<<20))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

// Whoever can reach fosite's endpoints can fill its disk: a multipart body is taken,
// and spooled, before anything else is looked at.
func TestMultipartBody_RFC6749_4_1_3(t *testing.T) {
	spool := t.TempDir()
	t.Setenv("TMPDIR", spool)
	spooled := func() int {
		files, err := os.ReadDir(spool)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		body, contentType := multipartForm(t, codeForm(publicID, s.code(t, publicID)))
		for _, path := range []string{"/token", "/revoke", "/introspect", "/authorize"} {
			got := s.http(t, http.MethodPost, path, bytes.NewBuffer(body.Bytes()), "Content-Type", contentType)
			if got.status != http.StatusBadRequest || got.text("access_token") != "" {
				t.Errorf("%s: got %d %v", path, got.status, got.body)
			}
		}
		if n := spooled(); n != 0 {
			t.Errorf("%d files spooled", n)
		}
	})
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		body, contentType := multipartForm(t, codeForm(publicID, r.code(t, publicID)))
		request := httptest.NewRequest(http.MethodPost, "/", body)
		request.Header.Set("Content-Type", contentType)
		got := send(t, r.serveToken, request)
		fact(t, got.status == http.StatusOK && spooled() == 1, "formEncoded in handlers/form.go", got)
	})
}

// fosite reads a body of up to ten megabytes to find out that it says nothing.
func TestBodySize_RFC6749_3_2(t *testing.T) {
	padding := strings.Repeat("x", 1<<20)
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, codeForm(publicID, r.code(t, publicID), "padding", padding))
		fact(t, got.status == http.StatusOK, "maxBody in handlers/form.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		body := bytes.NewBufferString(codeForm(publicID, s.code(t, publicID), "padding", padding).Encode())
		got := s.http(t, http.MethodPost, "/token", body, "Content-Type", formType)
		want(t, got, http.StatusRequestEntityTooLarge, "invalid_request")
	})
}

// A 401 has to name the scheme.
func TestWWWAuthenticate_RFC6749_5_2(t *testing.T) {
	wrong := basic(confidentialID, "wrong")
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, got := range []answer{
			r.token(t, clientCredentials(), wrong),
			r.revoke(t, tokenForm(confidentialID, "x"), wrong),
			r.introspect(t, askAbout("x"), wrong),
		} {
			fact(t, got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "", "WWW-Authenticate in handlers/errors.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			body := bytes.NewBufferString(with(clientCredentials(), "token", "x").Encode())
			got := s.http(t, http.MethodPost, path, body, "Content-Type", formType, "Authorization", wrong)
			want(t, got, http.StatusUnauthorized, "invalid_client")
			if h := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(h, "Basic realm=") {
				t.Errorf("%s: WWW-Authenticate: %q", path, h)
			}
		}
	})
}

// A client that is told when to come back does.
func TestRetryAfter_RFC9110_10_2_3(t *testing.T) {
	auth := credentialsOf(confidentialID)
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{store: noClients{newSlowStore(t)}}).token(t, clientCredentials(), auth...)
		fact(t, got.header.Get("Retry-After") == "", "setRetryAfter in handlers/errors.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		s.store.fail("Client")
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			body := bytes.NewBufferString(with(clientCredentials(), "token", "x").Encode())
			got := s.http(t, http.MethodPost, path, body, "Content-Type", formType, "Authorization", auth[0])
			want(t, got, http.StatusServiceUnavailable, "temporarily_unavailable")
			if got.header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", path)
			}
		}
	})
}

// fosite issues a code for whatever method it is called with.
func TestAuthorizationMethod_RFC6749_3_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			request := httptest.NewRequest(method, "/?"+authorizationParameters(publicID).Encode(), nil)
			got := send(t, r.serveAuthorization, request)
			fact(t, got.params.Get("code") != "", "the methods in handlers/authorization.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		s.code(t, publicID) // so that consent is remembered
		query := "/authorize?" + authorizationParameters(publicID).Encode()
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			got := s.http(t, method, query, nil)
			if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, POST" || got.location != "" {
				t.Errorf("%s: got %d %v", method, got.status, got.header)
			}
		}
		if got := s.http(t, http.MethodGet, query, nil); got.status != http.StatusSeeOther || got.params.Get("code") == "" {
			t.Errorf("GET: got %d %s", got.status, got.location)
		}
	})
}

// Credentials do not belong into a URL.
func TestCredentialsInURL_RFC6749_2_3_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		// It does not use what stands in the URL, and does not mind it either: the secret
		// is in every log on the way, and nobody is told.
		request := post(codeForm(publicID, r.code(t, publicID)))
		request.URL.RawQuery = "client_secret=" + secret
		got := send(t, r.serveToken, request)
		fact(t, got.status == http.StatusOK, "query_not_allowed in handlers/form.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		body := bytes.NewBufferString(codeForm(publicID, s.code(t, publicID)).Encode())
		got := s.http(t, http.MethodPost, "/token?client_secret="+secret, body, "Content-Type", formType)
		want(t, got, http.StatusBadRequest, "invalid_request")
	})
}
