package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// RFC 9700 §4.11 and its kin: what a stranger names must not lead inside.
func TestGuardedFetcherStaysOutside(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it connected") }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	f := fetch.New(nil)
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "[fd00:ec2::254]",
		"192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
	} {
		_, err := f.JSON(t.Context(), "https://"+host+port+"/jwks", 1000)
		if !errors.Is(err, ssrf.ErrProhibitedIP) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestRefusedURLs(t *testing.T) {
	for _, raw := range []string{
		"", "http://app.example.com/", "https:app.example.com", "https:///x", "//app.example.com", "ftp://app.example.com",
		"https://user@app.example.com/", "https://app.example.com/#x", "https://app.example.com/#", "file:///etc/passwd",
		"https://app.example.com:x/", "https://app example.com/", "https://%zz/",
	} {
		if err := fetch.Check(raw); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%q: %v", raw, err)
		}
		if _, err := fetch.New(nil).JSON(t.Context(), raw, 10); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if err := fetch.Check("https://app.example.com:8443/client.json?a=b"); err != nil {
		t.Error(err)
	}
}

func TestDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		fresh   time.Duration
		fails   string
	}{
		"plain":          {answer("application/json", "{}"), -1, ""},
		"with_charset":   {answer("application/json; charset=utf-8", "{}"), -1, ""},
		"jwk_set":        {answer("application/jwk-set+json", "{}"), -1, ""},
		"max_age":        {answer("application/json", "{}", "Cache-Control", "public, Max-Age=90"), 90 * time.Second, ""},
		"no_store":       {answer("application/json", "{}", "Cache-Control", "max-age=90, no-store"), 0, ""},
		"expires":        {answer("application/json", "{}", "Date", "Mon, 02 Jan 2006 15:04:05 GMT", "Expires", "Mon, 02 Jan 2006 15:05:05 GMT"), time.Minute, ""},
		"expires_broken": {answer("application/json", "{}", "Expires", "0"), 0, ""},
		"html":           {answer("text/html", "{}"), 0, "Content-Type"},
		"no_type":        {answer("", "{}"), 0, "Content-Type"},
		"too_long":       {answer("application/json", strings.Repeat(" ", 101)), 0, "longer"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, 0, "longer"},
		"not_found": {http.NotFound, 0, "404"},
		"redirect":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, 0, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(c.handler)
			defer server.Close()
			document, err := fetch.New(server.Client()).JSON(t.Context(), server.URL, 100)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("%v, want one about %q", err, c.fails)
				}
				return
			}
			if err != nil || string(document.Body) != "{}" || document.FreshFor != c.fresh {
				t.Fatalf("%+v, %v", document, err)
			}
		})
	}
}

func answer(contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		fmt.Fprint(w, body)
	}
}

// Whoever answers slowly is not waited for.
func TestSlowAnswer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := fetch.New(server.Client()).JSON(ctx, server.URL, 100); err == nil || time.Since(start) > 4*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// cached serves documents that count how often they were fetched.
func cached(t *testing.T, age string) (*fetch.Cache[string], *atomic.Int64, string, *time.Time) {
	var n atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count := n.Add(1)
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		if age != "" {
			w.Header().Set("Cache-Control", "max-age="+age)
		}
		w.Header().Set("Content-Type", "application/json")
		time.Sleep(10 * time.Millisecond)
		fmt.Fprint(w, count)
	}))
	t.Cleanup(server.Close)
	now := time.Unix(1_800_000_000, 0)
	return &fetch.Cache[string]{
		Fetcher: fetch.New(server.Client()), MaxBytes: 100, Entries: 3,
		Parse:    func(_ string, body []byte) (string, error) { return string(body), nil },
		MinFresh: time.Minute, MaxFresh: time.Hour, Default: 10 * time.Minute, FailedFor: 5 * time.Second,
		Now: func() time.Time { return now },
	}, &n, server.URL, &now
}

// RFC 9111 §4.2: as long as the document says, within bounds.
func TestCacheFreshness(t *testing.T) {
	for age, fresh := range map[string]time.Duration{"": 10 * time.Minute, "0": time.Minute, "120": 2 * time.Minute, "999999": time.Hour} {
		c, n, address, now := cached(t, age)
		for _, step := range []time.Duration{0, fresh - time.Second} {
			*now = now.Add(step)
			if got, err := c.Get(t.Context(), address); err != nil || got != "1" {
				t.Errorf("max-age=%s, after %v: %q, %v", age, step, got, err)
			}
		}
		*now = now.Add(time.Second)
		if got, err := c.Get(t.Context(), address); err != nil || got != "2" || n.Load() != 2 {
			t.Errorf("max-age=%s, when it was stale: %q, %v", age, got, err)
		}
	}
}

func TestCacheRefetchesAtMostSoOften(t *testing.T) {
	c, n, address, now := cached(t, "600")
	for range 5 {
		if _, err := c.Get(t.Context(), address); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Refetch(t.Context(), address, 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 1 {
		t.Errorf("fetched %d times", n.Load())
	}
	*now = now.Add(30 * time.Second)
	if got, err := c.Refetch(t.Context(), address, 30*time.Second); err != nil || got != "2" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := c.Get(t.Context(), address); err != nil || got != "2" {
		t.Errorf("%q, %v", got, err)
	}
}

// What is fresh outlives a failure to get it anew: whoever asks for that need not be anybody
// who may take it away.
func TestCacheKeepsWhatIsFresh(t *testing.T) {
	var fails atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "1")
	}))
	defer server.Close()
	c, _, _, now := cached(t, "")
	c.Fetcher = fetch.New(server.Client())
	if _, err := c.Get(t.Context(), server.URL); err != nil {
		t.Fatal(err)
	}
	fails.Store(true)
	*now = now.Add(time.Minute)
	if _, err := c.Refetch(t.Context(), server.URL, 30*time.Second); err == nil {
		t.Error("the failure is not told")
	}
	if got, err := c.Get(t.Context(), server.URL); err != nil || got != "1" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := c.Refetch(t.Context(), server.URL, 30*time.Second); err != nil || got != "1" {
		t.Errorf("again, at once: %q, %v", got, err)
	}
	*now = now.Add(9 * time.Minute)
	if _, err := c.Get(t.Context(), server.URL); err == nil {
		t.Error("what is stale is given out")
	}
}

func TestCacheForgetsFailuresSoon(t *testing.T) {
	c, n, address, now := cached(t, "")
	for range 3 {
		if _, err := c.Get(t.Context(), address+"/missing"); err == nil {
			t.Fatal("found")
		}
	}
	if *now = now.Add(5 * time.Second); n.Load() != 1 {
		t.Errorf("fetched %d times", n.Load())
	}
	if _, err := c.Get(t.Context(), address+"/missing"); err == nil || n.Load() != 2 {
		t.Errorf("%v, fetched %d times", err, n.Load())
	}
}

func TestCacheIsBoundedAndShared(t *testing.T) {
	c, n, address, _ := cached(t, "")
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if got, err := c.Get(t.Context(), address+"/one"); err != nil || got != "1" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("64 at once: fetched %d times", n.Load())
	}
	for i := range 20 {
		if _, err := c.Get(t.Context(), fmt.Sprint(address, "/", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		if _, err := c.Get(t.Context(), fmt.Sprint(address, "/", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() < 30 {
		t.Errorf("fetched %d times: more than 3 were kept", n.Load())
	}
}

// One caller that gives up does not spoil it for the others.
func TestCacheOutlivesACaller(t *testing.T) {
	c, n, address, _ := cached(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for n.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := c.Get(ctx, address); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got, err := c.Get(t.Context(), address); err != nil || got != "1" {
		t.Errorf("%q, %v", got, err)
	}
}

// A form goes where a document may be fetched, and to this machine's own http with a client of
// the host's; nothing of the answer but its status counts, and no error repeats the URL.
func TestPostForm(t *testing.T) {
	var got *http.Request
	answers := http.StatusNoContent
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answers)
	}))
	defer target.Close()
	own := fetch.New(&http.Client{})
	for _, answers = range []int{204, 200, 307, 400, 500} {
		got = nil
		status, err := own.PostForm(t.Context(), target.URL+"/out?secret=1", url.Values{"logout_token": {"a b"}})
		if err != nil || status != answers || got == nil || got.URL.Path != "/out" || got.Method != http.MethodPost || got.PostForm.Get("logout_token") != "a b" {
			t.Errorf("%d: %d, %v, %+v", answers, status, err, got)
		}
	}
	got = nil
	for _, raw := range []string{"http://app.example.com/", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/", "http://u@127.0.0.1/", "http://127.0.0.1/#x", "", "http://2130706433/"} {
		if _, err := own.PostForm(t.Context(), raw, nil); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	_, err := fetch.New(nil).PostForm(t.Context(), target.URL+"/?secret=1", nil)
	if !errors.Is(err, ssrf.ErrProhibitedIP) || strings.Contains(err.Error(), "secret") || got != nil {
		t.Errorf("guarded: %v", err)
	}
}

func TestPost(t *testing.T) {
	var got string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("Authorization") + " " + string(body)
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		for range 100 {
			io.WriteString(w, strings.Repeat("x", 1000)) // more than is looked at
		}
	}))
	defer server.Close()
	f := fetch.New(server.Client())
	for path, want := range map[string]int{"/here": 202, "/away": 307} {
		status, err := f.Post(t.Context(), server.URL+path, "secret", []byte(`{}`))
		if status != want || err != nil || got != "POST "+path+" application/json Bearer secret {}" {
			t.Errorf("%s: %d, %v, %q", path, status, err, got)
		}
	}
	if _, err := f.Post(t.Context(), "http://app.example.com/", "secret", nil); !errors.Is(err, fetch.ErrRefused) {
		t.Errorf("%v", err)
	}
	if _, err := fetch.New(nil).Post(t.Context(), server.URL, "secret", nil); !errors.Is(err, ssrf.ErrProhibitedIP) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
