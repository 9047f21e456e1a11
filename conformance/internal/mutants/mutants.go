// Package mutants proves that the conformance suite bites: each mutant is this project's own
// server with one fault put into its source, of a class that servers really have, and the case
// of the suite that has to name it. Nothing of them is in the server: the fault is laid over a
// file when the suite's command is built (go build -overlay).
//
//	go test ./conformance/internal/mutants                    a few of them
//	GRANTOR_LONG=1 go test -timeout 1h ./conformance/internal/mutants   all
package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mutant is one fault.
type Mutant struct {
	// Name says what the server does wrong, as a file name could.
	Name string

	// Edits are what it takes: where two checks say the same, both have to go.
	Edits []Edit

	// Case is the ID of the case that has to fail, and Profile the one in which it does, empty for
	// everything.
	Case    string
	Profile string

	// With is a case that brings about what Case watches, where Case asks for nothing by itself.
	With string
}

// Edit is one change: in File, by its path from the root of the repository, Old stands exactly
// once, and New takes its place.
type Edit struct{ File, Old, New string }

// All are all mutants.
func All() []Mutant {
	return slices.Concat(assertionMutants, browserMutants, documentMutants, codeMutants, deviceMutants, dpopMutants, exchangeMutants, fapiMutants, introspectionMutants, logoutMutants, metadataMutants, mtlsMutants, openIDMutants, pushedMutants, redirectMutants, refreshMutants, registrationMutants, requestObjectMutants, resourceMutants, responseMutants, tokenMutants)
}

// Overlay writes what go build -overlay needs into a folder, and returns the file's name.
func (m *Mutant) Overlay(root, folder string) (string, error) {
	sources := map[string]string{}
	for _, e := range m.Edits {
		source, read := sources[e.File]
		if !read {
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
			if err != nil {
				return "", fmt.Errorf("mutants: %s: %w", m.Name, err)
			}
			source = string(text)
		}
		if n := strings.Count(source, e.Old); n != 1 || e.Old == e.New {
			return "", fmt.Errorf("mutants: %s: the text to replace stands %d times in %s, not once, or stays the same:\n%s", m.Name, n, e.File, e.Old)
		}
		sources[e.File] = strings.Replace(source, e.Old, e.New, 1)
	}
	replaced := map[string]string{}
	for name, source := range sources {
		file, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", fmt.Errorf("mutants: %w", err)
		}
		replaced[file] = filepath.Join(folder, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(replaced[file], []byte(source), 0o600); err != nil {
			return "", fmt.Errorf("mutants: %w", err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	overlay := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	return overlay, nil
}
