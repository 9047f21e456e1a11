package main

import (
	"strings"
	"testing"
)

// TestCheck runs the demonstration: each step must have reported.
func TestCheck(t *testing.T) {
	var out strings.Builder
	if err := check(&out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if got := strings.Count(out.String(), "active:true"); got != 2 {
		t.Errorf("the token was good %d times, want 2:\n%s", got, &out)
	}
	if got := strings.Count(out.String(), "active:false"); got != 2 {
		t.Errorf("the token was revoked %d times, want 2:\n%s", got, &out)
	}
}
