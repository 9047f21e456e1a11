package main

import (
	"strings"
	"testing"
)

// TestCheck is what go run ./examples/services -check runs.
func TestCheck(t *testing.T) {
	var out strings.Builder
	if err := play(t.Context(), &out); err != nil {
		t.Fatalf("%s%v", out.String(), err)
	}
	if got := strings.Count(out.String(), "ok  "); got != 11 {
		t.Errorf("%d steps:\n%s", got, out.String())
	}
	if strings.Contains(out.String(), "eyJ") { // as every JWT begins
		t.Error("a token is printed")
	}
}
