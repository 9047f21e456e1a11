package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/grantor-oauth/grantor/conformance"
)

// listed is a case as -list -json has it.
type listed struct {
	ID      string            `json:"id"`
	Spec    string            `json:"spec"`
	Section string            `json:"section"`
	Level   conformance.Level `json:"level"`
	Request string            `json:"request"`
	Want    string            `json:"want"`
	Attacks []string          `json:"attacks,omitempty"`
}

// list prints the catalogue.
func list(o *options, stdout io.Writer) error {
	all := []listed{}
	for _, c := range conformance.Cases() {
		if c.Matches(o.only) {
			all = append(all, listed{c.ID, c.Spec, c.Section, c.Level, c.Request, c.Want, c.Attacks})
		}
	}
	if o.jsonFile != "" {
		return toFile(o.jsonFile, stdout, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(all)
		})
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\tspecification\tsection\tlevel\trequest → what is wanted")
	for _, c := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s → %s\n", c.ID, c.Spec, c.Section, c.Level, c.Request, c.Want)
	}
	return t.Flush()
}
