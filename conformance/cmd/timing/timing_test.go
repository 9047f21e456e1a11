package main

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Nothing shows in how long our own server takes to refuse guesses. On a machine that is too
// noisy this says less, and never that something shows which is not there.
func TestTiming(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of requests")
	}
	var table strings.Builder
	code, err := run(t.Context(), &table, 3000, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table.String())
	if code == 1 {
		t.Error("a usable difference shows")
	}
}

// A server that compares a secret character by character is found out.
func TestTiming_finds(t *testing.T) {
	const secret = "abcdefghijklmnop"
	leaking := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range secret {
			if r.FormValue("secret")[i] != secret[i] {
				break
			}
			for begin := time.Now(); time.Since(begin) < 3*time.Microsecond; { // what a slow comparison takes
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	asks := func(at int) func() *http.Request {
		return func() *http.Request {
			return httptest.NewRequest(http.MethodGet, "/?secret="+wrong(secret, at), nil)
		}
	}
	c := comparison{name: "leak", a: kind{"beginning wrong", asks(0), 401}, b: kind{"end wrong", asks(len(secret) - 1), 401}}
	r, err := c.measure(leaking, 500)
	if err != nil {
		t.Fatal(err)
	}
	if !r.usable() || r.real.mean < 10_000 {
		t.Errorf("the leak does not show: %+v", r)
	}
	if code, err := show(&strings.Builder{}, []result{r}); err != nil || code != 1 {
		t.Errorf("code %d, %v; want 1", code, err)
	}
	c.a.status = http.StatusOK
	if _, err := c.measure(leaking, 1); err == nil {
		t.Error("a request with another answer than it should have is measured")
	}
}

// Where there is nothing, the statistic says so about as often as it should; a few monstrous
// values, which a machine under load has, do not lead it astray.
func TestCompare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alarms, missed := 0, 0
	for range 400 {
		equal, apart := make([]float64, 500), make([]float64, 500)
		for i := range equal {
			equal[i], apart[i] = random.NormFloat64()*1000, random.NormFloat64()*1000+400
			if random.IntN(20) == 0 {
				equal[i] += random.NormFloat64() * 1e7
			}
		}
		if math.Abs(compare(equal).t) > 2 {
			alarms++
		}
		if d := compare(apart); d.t < bound || math.Abs(d.mean-400) > 400 {
			missed++
		}
	}
	if alarms > 40 { // some 18 are expected of 400
		t.Errorf("%d of 400 samples without a difference have |t| > 2", alarms)
	}
	if missed > 4 {
		t.Errorf("in %d of 400 samples a difference is missed", missed)
	}
}

// A run that would have missed a leak says nothing, and does not pass.
func TestShow_blind(t *testing.T) {
	var table strings.Builder
	code, err := show(&table, []result{{name: "x", real: difference{t: 1}, planted: difference{t: 2}}})
	if err != nil || code != 2 || !strings.Contains(table.String(), "too noisy") {
		t.Errorf("code %d, %v:\n%s", code, err, table.String())
	}
}
