package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The short form: a few seconds of the same load and faults, in which nothing may be answered
// wrongly. Whether anything grows takes the long form to say.
func TestSoak_short(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	program := filepath.Join(t.TempDir(), "soak")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "-for", "10s", "-every", "1s", "-clients", "4").CombinedOutput()
	for _, what := range []string{"goroutines", "open files"} {
		if line := lineOf(string(out), what); !strings.Contains(line, "flat") {
			t.Errorf("%s: %q, %v\n%s", what, line, err, out)
		}
	}
	for _, story := range []string{"connect: ", "redeem: ", "refresh: ", "introspect: ", "revoke: ", "replay: ", "own: "} {
		if strings.Contains(string(out), "\n"+story) || strings.Contains(string(out), "soak: "+story) {
			t.Errorf("an answer that no fault explains:\n%s", out)
		}
	}
}

func lineOf(out, begins string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, begins) && strings.Contains(line, "→") {
			return line
		}
	}
	return ""
}

// Growth is seen, and noise is not taken for it.
func TestJudge(t *testing.T) {
	steady := func(change func(i int, f *figures)) []figures {
		var all []figures
		for i := range 40 {
			f := figures{At: time.Duration(i) * time.Minute, Heap: 10 << 20, RSS: 60 << 20, Goroutines: 6 + i%3, Files: 16, Store: 20 << 20}
			change(i, &f)
			all = append(all, f)
		}
		return all
	}
	for name, one := range map[string]struct {
		change func(i int, f *figures)
		grows  string
	}{
		"steady":           {func(int, *figures) {}, ""},
		"one spike":        {func(i int, f *figures) { f.Heap += uint64(i/39) << 30 }, ""},
		"warm-up":          {func(i int, f *figures) { f.Heap += uint64(max(8-i, 0)) << 20 }, ""},
		"heap leaks":       {func(i int, f *figures) { f.Heap += uint64(i) << 18 }, "heap"},
		"RSS leaks":        {func(i int, f *figures) { f.RSS += uint64(i) << 20 }, "RSS"},
		"goroutines leak":  {func(i int, f *figures) { f.Goroutines += i / 2 }, "goroutines"},
		"descriptors leak": {func(i int, f *figures) { f.Files += i / 2 }, "open files"},
		"the store grows":  {func(i int, f *figures) { f.Store += int64(i) << 20 }, "store"},
	} {
		err := judge(steady(one.change))
		if (err != nil) != (one.grows != "") || err != nil && !strings.HasPrefix(err.Error(), one.grows) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if judge(steady(func(int, *figures) {})[:5]) == nil {
		t.Error("five looks are taken for enough")
	}
}
