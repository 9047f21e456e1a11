package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"
)

const (
	perRound = 4                    // A, B, A again, and A held back
	plant    = 2 * time.Microsecond // of the one that is held back
	trimmed  = 0.2                  // at either end
	bound    = 4.5

	// What has been resolved with great patience, over the best of networks and over the Internet,
	// in nanoseconds.
	near = 100.0
	far  = 20_000.0
)

// kind makes a request, another one each time, and says with which status it must be refused.
type kind struct {
	name   string
	make   func() *http.Request
	status int
}

// comparison is of two kinds of requests that must not be told apart.
type comparison struct {
	name  string
	a, b  kind
	least float64 // a smaller difference is of no use; 0 for near
}

// result is what came of a comparison, in nanoseconds.
type result struct {
	name, a, b             string
	median, least          float64 // the median is that of A
	real, control, planted difference
}

func (r result) usable() bool {
	t := math.Abs(r.real.t)
	return t > bound && t > 2*math.Abs(r.control.t) && math.Abs(r.real.mean) > r.least
}

// blind tells whether a leak would have been missed.
func (r result) blind() bool { return r.planted.t < bound }

func (r result) verdict() string {
	switch {
	case r.usable():
		return "USABLE"
	case r.blind():
		return "too noisy to say"
	}
	return fmt.Sprintf("nothing above %v", rounded(max(bound*r.real.error, r.least)))
}

// measure has the rounds run.
func (c *comparison) measure(h http.Handler, rounds int) (result, error) {
	r := result{name: c.name, a: c.a.name, b: c.b.name, least: max(c.least, near)}
	var base, withB, again, held []float64
	for i := range rounds + rounds/10 {
		took := [perRound]float64{}
		for _, which := range rand.Perm(perRound) {
			one, hold := c.a, time.Duration(0)
			switch which {
			case 1:
				one = c.b
			case 3:
				hold = plant
			}
			duration, status := timed(h, one.make(), hold)
			if status != one.status {
				return r, fmt.Errorf("%s: status %d, want %d", one.name, status, one.status)
			}
			took[which] = float64(duration)
		}
		if i < rounds/10 {
			continue // until everything is warm
		}
		base, withB = append(base, took[0]), append(withB, took[1]-took[0])
		again, held = append(again, took[2]-took[0]), append(held, took[3]-took[0])
	}
	slices.Sort(base)
	r.median = base[len(base)/2]
	r.real, r.control, r.planted = compare(withB), compare(again), compare(held)
	return r, nil
}

// timed is how long the handler takes for a request.
func timed(h http.Handler, r *http.Request, hold time.Duration) (time.Duration, int) {
	w := httptest.NewRecorder()
	begin := time.Now()
	for hold > 0 && time.Since(begin) < hold {
	}
	h.ServeHTTP(w, r)
	return time.Since(begin), w.Code
}

// difference is the trimmed mean of differences, its standard error, and Yuen's t.
type difference struct{ mean, error, t float64 }

// compare puts the differences of the rounds to the test. It is Yuen's for one sample: the mean
// of what trimming leaves, over the standard error that the winsorized sample has.
func compare(all []float64) difference {
	slices.Sort(all)
	n := len(all)
	cut := int(trimmed * float64(n))
	kept := all[cut : n-cut]
	var sum, winsorized, squares float64
	for _, x := range kept {
		sum += x
	}
	low, high := kept[0], kept[len(kept)-1]
	winsorized = (sum + float64(cut)*(low+high)) / float64(n)
	for _, x := range all {
		d := min(max(x, low), high) - winsorized
		squares += d * d
	}
	d := difference{mean: sum / float64(len(kept))}
	d.error = math.Sqrt(squares/float64(max(n-1, 1))) / ((1 - 2*trimmed) * math.Sqrt(float64(n)))
	if d.error > 0 {
		d.t = d.mean / d.error
	}
	return d
}
