package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// transport is a function that answers requests.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The client keeps the interval, slows down when the server says so, and goes on when the
// network fails: with the real server, in a time of its own.
func TestRFC8628_Section3_5(t *testing.T) {
	network := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = network })
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute) // x/oauth2 leaves its first request to the timeout
		as, host := newHost(t, "https://pager.example")
		began := time.Now()
		var sent []time.Duration
		var answered []string
		http.DefaultTransport = transport(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/oauth2/token" {
				return inProcess(host, r), nil
			}
			sent = append(sent, time.Since(began))
			switch len(sent) {
			case 1:
				time.Sleep(2500 * time.Millisecond) // on its way, so that the next seems to come too soon
			case 3:
				return nil, errors.New("the network is down")
			}
			answer := inProcess(host, r)
			body, err := io.ReadAll(answer.Body)
			answer.Body = io.NopCloser(strings.NewReader(string(body)))
			for _, word := range []string{"authorization_pending", "slow_down", "access_token"} {
				if strings.Contains(string(body), word) {
					answered = append(answered, word)
				}
			}
			return answer, err
		})
		c, said := newClient(t)
		done := make(chan error)
		go func() { done <- c.LoginOnDevice(t.Context(), "https://pager.example") }()
		indented(t, said) // the address
		code := indented(t, said)
		go io.Copy(io.Discard, said)

		time.Sleep(12 * time.Second)
		approve(t, as, code)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := []string{"authorization_pending", "slow_down", "access_token"}; !slices.Equal(answered, want) {
			t.Errorf("the server said %q, want %q", answered, want)
		}
		// 5 s apart; 10 after slow_down; twice the first interval after a failure.
		if want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}; !slices.Equal(sent, want) {
			t.Errorf("it polled at %v, want %v", sent, want)
		}
		s, err := c.Store.Load()
		if err != nil || s.Issuer != "https://pager.example" || s.RefreshToken == "" {
			t.Errorf("kept: %v", err)
		}
	})
}

// Nobody decides: the code's end is the login's.
func TestRFC8628_Section3_5_expired(t *testing.T) {
	network := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = network })
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute) // x/oauth2 leaves its first request to the timeout
		_, host := newHost(t, "https://pager.example")
		http.DefaultTransport = transport(func(r *http.Request) (*http.Response, error) { return inProcess(host, r), nil })
		c, said := newClient(t)
		go io.Copy(io.Discard, said)
		if err := c.LoginOnDevice(t.Context(), "https://pager.example"); err == nil || !strings.Contains(err.Error(), "in time") {
			t.Errorf("%v", err)
		}
	})
}

func inProcess(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// approve is ana, who types the code and allows everything.
func approve(t *testing.T, as *authz.Server, code string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/oauth2/device?"+url.Values{"user_code": {code}}.Encode(), nil)
	page, err := as.DevicePage(t.Context(), &authz.DevicePageRequest{UserCode: code, HTTP: r, Browser: "ana's"})
	if err != nil || page.Confirm == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	_, err = as.SubmitDevice(t.Context(), &authz.ConsentSubmission{
		Interaction: page.Confirm.Interaction, HTTP: r, Browser: "ana's", Approve: true, Scopes: []string{"read", "offline_access"},
	})
	if err != nil {
		t.Fatal(err)
	}
}
