package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck is what go run ./examples/cli -check runs.
func TestCheck(t *testing.T) {
	program := filepath.Join(t.TempDir(), "cli.exe")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var out strings.Builder
	if err := play(t.Context(), program, &out); err != nil {
		t.Fatalf("%s%v", out.String(), err)
	}
	if got := strings.Count(out.String(), "ok  "); got != 12 {
		t.Errorf("%d steps:\n%s", got, out.String())
	}
}
