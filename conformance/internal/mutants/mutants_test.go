package mutants_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/mutants"
)

const root = "../../.."

// few are how many mutants the short form builds, of all classes in turn.
const few = 4

// Every mutant still fits the source, and names a case that there is.
func TestMutants_fit(t *testing.T) {
	cases := map[string]bool{}
	for _, c := range conformance.Cases() {
		cases[c.ID] = true
	}
	seen := map[string]bool{}
	for _, m := range mutants.All() {
		if _, err := m.Overlay(root, t.TempDir()); err != nil {
			t.Error(err)
		}
		if !cases[m.Case] || m.With != "" && !cases[m.With] || seen[m.Name] {
			t.Errorf("%s: the name is there twice, or there is no case %q or %q", m.Name, m.Case, m.With)
		}
		seen[m.Name] = true
	}
}

// Every mutant is caught by the case that names its fault, which the sound server passes
// (TestSelf, in package conformance).
func TestMutants_caught(t *testing.T) {
	all := mutants.All()
	if os.Getenv("GRANTOR_LONG") == "" {
		if testing.Short() {
			t.Skip("each is a build of its own")
		}
		step := max(len(all)/few, 1)
		var some []mutants.Mutant
		for i := 0; i < len(all); i += step {
			some = append(some, all[i])
		}
		all = some
	}
	only := strings.Fields(os.Getenv("GRANTOR_MUTANTS"))
	if len(only) > 0 {
		all = slices.DeleteFunc(mutants.All(), func(m mutants.Mutant) bool { return !slices.Contains(only, m.Name) })
	}
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			overlay, err := m.Overlay(root, folder)
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(folder, "conform")
			// Not optimized, which halves the time of a build.
			build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-gcflags=github.com/grantor-oauth/grantor/...=-N -l", "-overlay", overlay, "-o", program, "./conformance/cmd/conform")
			build.Dir = root
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("the mutant does not build: %v\n%s", err, out)
			}
			profile := m.Profile
			if profile == "" {
				profile = "everything"
			}
			only := m.Case
			if m.With != "" {
				only += "," + m.With
			}
			report := filepath.Join(folder, "report.json")
			run := exec.CommandContext(t.Context(), program, "-self", "-backend", "memory", "-profile", profile, "-only", only, "-json", report)
			out, err := run.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			text, err := os.ReadFile(report)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got conformance.Report
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(got.Results, func(r conformance.Result) bool { return r.ID == m.Case })
			if i < 0 || got.Results[i].Status != conformance.Failed {
				t.Fatalf("%s is not caught by %s: %+v", m.Name, m.Case, got.Results)
			}
			for _, problem := range got.Results[i].Problems {
				if strings.Contains(problem, "the case itself failed") {
					t.Errorf("the case broke instead of judging: %s", problem)
				}
			}
			t.Logf("%s: %s", m.Case, strings.Join(got.Results[i].Problems, "; "))
		})
	}
}
