package authz_test

import (
	"net/http"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// U8: that nobody has checked the name of a client is said even while others make the server
// fetch its document again, which whoever publishes it can have happen with every request.
func TestU8_document_fetched_meanwhile(t *testing.T) {
	w := newWeb()
	w.put(document, 200, describes(document), "Cache-Control", "no-store")
	var s *server
	meanwhile := func() {}
	s = newServer(t, documents(w), func(c *authz.Config) {
		login := c.Login
		c.Login = func(r *http.Request) (*authz.User, error) {
			meanwhile()
			return login(r)
		}
	})
	meanwhile = func() {
		meanwhile = func() {}
		s.page(t, document, atApp())
	}
	if prompt := s.page(t, document, atApp()); !prompt.SelfDescribed || prompt.ClientIDHost != "app.example" {
		t.Errorf("SelfDescribed %v, ClientIDHost %q", prompt.SelfDescribed, prompt.ClientIDHost)
	}
}
