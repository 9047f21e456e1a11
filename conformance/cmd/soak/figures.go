package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// figures are what the server has, while nothing is under way.
type figures struct {
	At          time.Duration
	Requests    int64
	Unavailable int64 // answers that say so, because of faults
	Faults      int64 // moments in which the store was broken

	Heap       uint64 // bytes, after a collection
	RSS        uint64 // bytes; 0 where the system does not tell
	Goroutines int
	Files      int   // open file descriptors; 0 where the system does not tell
	Store      int64 // bytes on disk; 0 where the store is elsewhere
}

func (f *figures) String() string {
	return fmt.Sprintf("%8.2f %10d %8.1f %8.1f %11d %6d %9.1f %9d %9d", f.At.Minutes(), f.Requests, mib(f.Heap), mib(f.RSS),
		f.Goroutines, f.Files, mib(uint64(f.Store)), f.Faults, f.Unavailable)
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// leastLooks is how many it takes to say that something grows.
const leastLooks = 6

// judge compares the last third with the one after the warm-up: medians, so that one look at a
// bad moment decides nothing.
func judge(all []figures) error {
	settled := all[len(all)/5:]
	if len(settled) < leastLooks {
		return fmt.Errorf("%d looks are too few to say anything: run it for longer", len(all))
	}
	third := len(settled) / 3
	first, last := settled[:third], settled[len(settled)-third:]
	var problems []error
	for _, one := range []struct {
		what   string
		of     func(figures) float64
		factor float64 // how much more is no growth
		slack  float64 // and how much besides
	}{
		{"heap, MiB", func(f figures) float64 { return mib(f.Heap) }, 1.1, 1},
		{"RSS, MiB", func(f figures) float64 { return mib(f.RSS) }, 1.15, 8},
		{"goroutines", func(f figures) float64 { return float64(f.Goroutines) }, 1, 5},
		{"open files", func(f figures) float64 { return float64(f.Files) }, 1, 5},
		{"store, MiB", func(f figures) float64 { return mib(uint64(f.Store)) }, 1.25, 4},
	} {
		a, b := median(first, one.of), median(last, one.of)
		verdict := "flat"
		if b > a*one.factor+one.slack {
			verdict = "GROWS"
			problems = append(problems, fmt.Errorf("%s: from %.1f to %.1f", one.what, a, b))
		}
		fmt.Printf("%-12s %8.1f → %8.1f  %s\n", one.what, a, b, verdict)
	}
	return errors.Join(problems...)
}

func median(all []figures, of func(figures) float64) float64 {
	var values []float64
	for _, f := range all {
		values = append(values, of(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
