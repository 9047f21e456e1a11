package storagetest

import "testing"

// CheckNames are the names of all checks, in order.
func CheckNames() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// RunCheck runs one check on any testing.TB.
func RunCheck(t testing.TB, name string, h Harness) {
	for _, c := range checks() {
		if c.name == name {
			c.runOn(t, h)
		}
	}
}
