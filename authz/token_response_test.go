package authz

import (
	"encoding/json"
	"testing"
	"time"
)

// What is written by hand is what encoding/json writes, whatever is in it.
func TestTokenResponseAsJSON(t *testing.T) {
	strings := []string{"", "token", "a b", "\"\\/<>&'~", "\x00\n\x7f", "Grüße\u2028\U0001f600", "not \xff UTF-8"}
	for _, s := range strings {
		for _, scope := range strings {
			r := TokenResponse{AccessToken: s, TokenType: "Bearer", ExpiresIn: -1 << 63, RefreshToken: scope, Scope: s, IssuedTokenType: scope}
			same(t, r, r.AppendJSON([]byte("behind")), "behind")
			for _, at := range []time.Time{{}, time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))} {
				f := filedAnswer{Asked: scope, Answer: accessTokenAnswer{r, at}}
				got, err := f.appendJSON(nil)
				if err != nil {
					t.Fatal(err)
				}
				same(t, f, got, "")
			}
		}
	}
	f := filedAnswer{Answer: accessTokenAnswer{ExpiresAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	if _, err := f.appendJSON(nil); err == nil {
		t.Error("a year that RFC 3339 does not know")
	}
}

func same(t *testing.T, v any, got []byte, before string) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != before+string(want) {
		t.Errorf("wrote     %s\njson wrote %s", got, want)
	}
}
