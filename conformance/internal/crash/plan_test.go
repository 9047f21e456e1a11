package crash_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/internal/crash"
)

// The same seed kills at the same moments and points, and another elsewhere.
func TestPlans(t *testing.T) {
	for _, shared := range []bool{false, true} {
		one, again, other := crash.Plans(300, 1, shared), crash.Plans(300, 1, shared), crash.Plans(300, 2, shared)
		if !slices.Equal(one, again) {
			t.Errorf("shared %t: the same seed, and other plans", shared)
		}
		if slices.Equal(one, other) {
			t.Errorf("shared %t: another seed, and the same plans", shared)
		}
	}
}

// A long run comes to everything.
func TestPlans_have_it_all(t *testing.T) {
	everywhere := []string{"at random", "while starting", "before keys", "after keys", "before exchange", "after exchange",
		"before refresh", "after refresh", "before client", "after client", "before revoke", "after revoke", "before end", "after end",
		"before consent", "after consent", "before authorize", "after authorize", "before own", "after own",
		"before any", "after any", "in the middle of answer"}
	for shared, wants := range map[bool][]string{
		false: everywhere,
		true:  append(everywhere, "connections cut", "database killed"),
	} {
		plans := crash.Plans(500, 1, shared)
		for _, want := range wants {
			if !slices.ContainsFunc(plans, func(p string) bool { return strings.HasPrefix(p, want) }) {
				t.Errorf("shared %t: there is nothing %s", shared, want)
			}
		}
	}
}

func TestRun_refuses(t *testing.T) {
	for want, o := range map[string]crash.Options{
		`no backend "paper"`:   {Backend: "paper"},
		"no standby":           {Backend: "bolt", Failovers: 1},
		"-1 kills":             {Backend: "bolt", Kills: -1},
		"-3 acknowledged":      {Backend: "bolt", Acknowledged: -3},
		"-2 clients are not a": {Backend: "bolt", Clients: -2},
	} {
		o.Folder = t.TempDir()
		if _, err := crash.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
