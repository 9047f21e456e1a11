package authz_test

import (
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const module = "github.com/grantor-oauth/grantor"

// goList runs go list over the module and returns its lines.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// imports maps every package of the module to what it and its tests import.
func imports(t *testing.T, format string) map[string][]string {
	m := map[string][]string{}
	for _, line := range goList(t, "-f", format, "./...") {
		fields := strings.Fields(line)
		m[strings.TrimPrefix(fields[0], module+"/")] = fields[1:]
	}
	return m
}

func TestFositeIsImportedByOnePackage(t *testing.T) {
	const all = `{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`
	found := false
	for pkg, deps := range imports(t, all) {
		for _, dep := range deps {
			if !strings.HasPrefix(dep, "github.com/ory/") {
				continue
			}
			if found = true; pkg != "authz/internal/engine" {
				t.Errorf("%s imports %s; go through authz/internal/engine, so that fosite can be replaced one day", pkg, dep)
			}
		}
	}
	if !found {
		t.Error("nothing imports fosite: this test looks in the wrong place")
	}
}

func TestImportsPointOneWay(t *testing.T) {
	// What a room may import of this module, by the longest prefix of its name.
	rooms := []struct{ room, mayImport string }{
		{"authz/resource", ""},
		{"handlers/protect", "authz/resource"},
		{"storage", "storage"},
		{"authz", "authz storage"},
		{"handlers", "handlers authz"},
		{"conformance", "conformance handlers authz storage examples"},
		{"examples", "examples handlers authz storage"},
	}
	for pkg, deps := range imports(t, `{{.ImportPath}} {{join .Imports " "}}`) {
		i := slices.IndexFunc(rooms, func(r struct{ room, mayImport string }) bool {
			return pkg == r.room || strings.HasPrefix(pkg, r.room+"/")
		})
		if i < 0 {
			t.Errorf("%s is in none of the rooms of ARCHITECTURE.md", pkg)
			continue
		}
		allowed := strings.Fields(rooms[i].mayImport)
		for _, dep := range deps {
			dep, ours := strings.CutPrefix(dep, module+"/")
			if ours && !slices.ContainsFunc(allowed, func(room string) bool { return dep == room || strings.HasPrefix(dep, room+"/") }) {
				t.Errorf("%s imports %s, against the direction of ARCHITECTURE.md", pkg, dep)
			}
		}
	}
}

// TestLinkedModules holds the list of modules that end up in an embedder's binary.
// Adding one is a decision: run with -update and say why in the commit.
func TestLinkedModules(t *testing.T) {
	lines := goList(t, "-deps", "-f", `{{with .Module}}{{.Path}}{{end}}`, "./handlers", "./storage/bolt")
	slices.Sort(lines)
	lines = slices.DeleteFunc(slices.Compact(lines), func(s string) bool { return s == "" || s == module })
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/linked_modules.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the modules linked into an embedder's binary changed; if that is meant, run go test ./authz -run LinkedModules -update\ngot:\n%swant:\n%s", got, want)
	}
}
