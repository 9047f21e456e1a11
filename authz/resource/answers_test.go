package resource_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// The cache is bounded: many good tokens displace each other, and all stay good.
func TestCacheIsBounded(t *testing.T) {
	is, c := newIssuer(t), newClock()
	asked := is.answered(active(nil))
	// In memory, because this is about thousands of answers, not about HTTP.
	v := newIntrospection(t, is, func(config *resource.IntrospectionConfig) {
		config.CacheFor, config.Clock = time.Minute, c.now
		config.Endpoint = is.URL + "/introspect"
		config.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return inProcess(is.Config.Handler, r), nil
		})}
	})
	const tokens = 10_000
	for i := range tokens {
		expect(t, v, fmt.Sprintf("token-%d", i), good)
	}
	asked.Store(0)
	for i := range tokens {
		expect(t, v, fmt.Sprintf("token-%d", i), good)
	}
	if got := asked.Load(); got < tokens-4096 {
		t.Errorf("%d of %d answers were kept, want no more than 4096", tokens-got, tokens)
	}
	c.advance(2 * time.Minute) // all of them may go at once
	expect(t, v, "one-more", good)
}

func TestLargeAnswersAreNotCached(t *testing.T) {
	is := newIssuer(t)
	v := newIntrospection(t, is, func(c *resource.IntrospectionConfig) { c.CacheFor = time.Minute })
	asked := is.answered(active(map[string]any{"x": make([]byte, 8<<10)}))
	expect(t, v, opaque, good)
	expect(t, v, opaque, good)
	if got := asked.Load(); got != 2 {
		t.Errorf("asked %d times", got)
	}
}
