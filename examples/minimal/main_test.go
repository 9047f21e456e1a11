package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEmbeddingCost builds the host and counts the lines that make it an
// authorization server: everything in main.go that is not import, comment or blank.
func TestEmbeddingCost(t *testing.T) {
	build := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "minimal"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	lines, imports := 0, false
	for line := range strings.Lines(string(source)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "import"):
			imports = true
		case imports:
			imports = line != ")"
		case line != "" && !strings.HasPrefix(line, "//"):
			lines++
		}
	}
	t.Logf("%d lines", lines)
	if lines > 25 {
		t.Errorf("embedding takes %d lines; the promise is 25", lines)
	}
}

// TestREADMEShowsThisProgram keeps the lines that the README promises and the ones
// that are built the same.
func TestREADMEShowsThisProgram(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "func main() {\n")
	if !strings.Contains(string(readme), body) {
		t.Error("README.md does not show the body of main as it is in main.go; copy it over")
	}
}
