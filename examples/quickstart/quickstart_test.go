package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck is what go run ./examples/quickstart -check runs.
func TestCheck(t *testing.T) {
	var out strings.Builder
	if err := play(t.Context(), &out); err != nil {
		t.Fatalf("%s%v", out.String(), err)
	}
	if got := strings.Count(out.String(), "ok "); got < 20 {
		t.Errorf("only %d steps:\n%s", got, out.String())
	}
}

// TestGreeting holds the first thing that a newcomer sees: what to open, and whom to
// sign in as.
func TestGreeting(t *testing.T) {
	d, err := start("127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "quickstart.db"), new(demoClock))
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	for _, want := range []string{d.boardURL, d.pagerURL, demoUser, demoPassword} {
		if !strings.Contains(d.greeting(), want) {
			t.Errorf("the greeting does not name %s:\n%s", want, d.greeting())
		}
	}
	_, err = start(strings.TrimPrefix(d.pagerURL, "http://"), "127.0.0.1:0", filepath.Join(t.TempDir(), "other.db"), new(demoClock))
	if err == nil || !strings.Contains(err.Error(), "-pager") {
		t.Errorf("a taken port: %v, which does not name the flag", err)
	}
	file := filepath.Join(t.TempDir(), "moved.db")
	first, err := start("127.0.0.1:0", "127.0.0.1:0", file, new(demoClock))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := start("127.0.0.1:0", "127.0.0.1:0", file, new(demoClock)); err == nil || !strings.Contains(err.Error(), "-db") {
		t.Errorf("the file of another address: %v, which does not name the flag", err)
	}
	if _, err := start("0.0.0.0:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "other.db"), new(demoClock)); err == nil {
		t.Error("the demo serves the world")
	}
}
