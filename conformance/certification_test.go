package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// covering is a test in CERTIFICATION.md: its package, its name, and that of a subtest.
	covering = regexp.MustCompile("`([a-z0-9_/]+)\\.(Test[A-Za-z0-9_]+)(?:/([A-Za-z0-9_]+))?`")
	module   = regexp.MustCompile("^`(OIDC|FAPI2)[A-Za-z0-9]+`$")
)

// testsIn are the test functions of a package, and all strings in its tests, among which are
// the names of subtests.
func testsIn(t *testing.T, dir string) (tests, texts map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests, texts = map[string]bool{}, map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && len(f.Body.List) > 0 {
				tests[f.Name.Name] = true
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				texts[strings.Trim(lit.Value, "\"`")] = true
			}
			return true
		})
	}
	return tests, texts
}

// Every module that CERTIFICATION.md names is covered by a test that exists, or stands under
// the heading for those that are not; and none of this package's is left out of it.
func TestCertificationTable(t *testing.T) {
	doc, err := os.ReadFile("CERTIFICATION.md")
	if err != nil {
		t.Fatal(err)
	}
	type known struct{ tests, texts map[string]bool }
	packages := map[string]known{}
	check := func(line string) (named int) {
		for _, m := range covering.FindAllStringSubmatch(line, -1) {
			named++
			p, looked := packages[m[1]]
			if !looked {
				p.tests, p.texts = testsIn(t, m[1])
				packages[m[1]] = p
			}
			if !p.tests[m[2]] || m[3] != "" && !p.texts[m[3]] {
				t.Errorf("there is no test %s:\n%s", m[0], line)
			}
		}
		return named
	}
	plan, rows, seen := "", map[string]int{}, map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			plan = title
			continue
		}
		named := check(line)
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| `") || plan == "Not covered yet" {
			continue
		}
		if rows[plan]++; len(cells) != 3 || !module.MatchString(cells[0]) || cells[1] == "" {
			t.Errorf("%s: malformed row:\n%s", plan, line)
			continue
		}
		if seen[plan+cells[0]] {
			t.Errorf("%s: %s is there twice", plan, cells[0])
		}
		seen[plan+cells[0]] = true
		if named == 0 || named != strings.Count(cells[2], "`")/2 {
			t.Errorf("%s: %s is covered by no test, or by something that is none: %s", plan, cells[0], cells[2])
		}
	}
	const basic, hybrid, logout = "Basic OP and Form Post Basic OP", "Hybrid OP and Form Post Hybrid OP", "RP-Initiated Logout OP"
	for plan, modules := range map[string][]string{
		basic: slices.Collect(maps.Keys(basicOP)), hybrid: slices.Collect(maps.Keys(hybridOP)), logout: slices.Collect(maps.Keys(logoutOP)),
	} {
		for _, name := range modules {
			if !seen[plan+"`"+name+"`"] {
				t.Errorf("%s is not in the table of %s", name, plan)
			}
		}
	}
	for plan, least := range map[string]int{basic: 38, hybrid: 36, "Config OP": 1, "Dynamic OP": 20, logout: 9,
		"FAPI 2.0 Security Profile Final": 40, "FAPI 2.0 Message Signing Final": 10} {
		if rows[plan] < least {
			t.Errorf("%s has %d rows", plan, rows[plan])
		}
	}
}
