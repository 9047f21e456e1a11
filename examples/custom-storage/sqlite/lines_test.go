package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLines holds the package to its promise: a backend takes fewer than 400 lines. What
// counts is everything that is not import, comment or blank, and the schema with it.
func TestLines(t *testing.T) {
	files, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
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
			case line != "" && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "--"):
				lines++
			}
		}
		t.Logf("%s: %d lines", file, lines)
		total += lines
	}
	t.Logf("%d lines", total)
	if total < 100 || total >= 400 {
		t.Errorf("the backend takes %d lines; the promise is fewer than 400", total)
	}
}
