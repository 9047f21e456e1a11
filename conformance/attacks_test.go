package conformance_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
)

// elsewhere are attacks that no client sees, and where they are tried instead.
var elsewhere = map[string]string{
	"L8": "conformance/cmd/soak, conformance/faults", // goroutines are the server's own affair
}

// Every attack of ATTACKS.md is tried by a case, and every case that names one names one that is
// there.
func TestAttacks(t *testing.T) {
	doc, err := os.ReadFile("ATTACKS.md")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{}
	for _, c := range conformance.Cases() {
		for _, attack := range c.Attacks {
			cases[attack] = append(cases[attack], "`"+c.ID+"`")
		}
	}
	var written strings.Builder
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.TrimSpace(cells[1]) == "" || strings.HasPrefix(cells[1], "-") {
			written.WriteString(line)
			continue
		}
		id := strings.TrimSpace(cells[1])
		by := strings.Join(cases[id], ", ")
		if where := elsewhere[id]; where != "" {
			by = strings.TrimPrefix(by+", "+where, ", ")
		}
		if by == "" {
			t.Errorf("%s: no case tries it:%s", id, cells[2])
		}
		delete(cases, id)
		cells[4] = " " + by + " "
		written.WriteString(strings.Join(cells, "|") + "\n")
	}
	for id, names := range cases {
		t.Errorf("%s name %s, which is not in ATTACKS.md", strings.Join(slices.Clone(names), ", "), id)
	}
	switch {
	case *update:
		if err := os.WriteFile("ATTACKS.md", []byte(written.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	case written.String() != string(doc):
		t.Error("ATTACKS.md does not name the cases that there are: go test ./conformance -run TestAttacks -update")
	}
}
