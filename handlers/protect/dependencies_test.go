package protect_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A resource server elsewhere links this package, so it must stay light: what package
// resource links, and net/http.
func TestLinksNothingButResource(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"github.com/go-jose/go-jose/v4",
		"github.com/go-jose/go-jose/v4/cipher",
		"github.com/go-jose/go-jose/v4/json",
		"github.com/grantor-oauth/grantor/authz/resource",
		"github.com/grantor-oauth/grantor/authz/resource/dpop",
		"github.com/grantor-oauth/grantor/handlers/protect",
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("links\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
