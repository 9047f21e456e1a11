package conformance

import "strings"

// Level is how strongly a specification asks for something (RFC 2119).
type Level string

const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Case is one thing that a specification, or common sense about attacks, asks of a server:
// the request, and the outcome that is required. The code that checks it is the suite's own.
type Case struct {
	// ID names the case for good, such as pkce-plain-refused.
	ID string

	// Spec and Section say who asks for it, such as "RFC 7636" and "4.4.1", and Level how
	// strongly. Where the specification leaves the choice and only the attack decides, the
	// level is that of the security advice (RFC 9700).
	Spec    string
	Section string
	Level   Level

	// Request is what is sent, and Want the outcome that is required, in words.
	Request string
	Want    string

	// Attacks are the items of conformance/ATTACKS.md that the case is about.
	Attacks []string

	// needs are what a server has to offer for the case to say anything about it.
	needs []feature

	// Alone says that nothing else may run meanwhile: the case moves the clock, stops the store,
	// or counts what the whole server does.
	alone bool

	// varies says that what is answered depends on who of several comes first, so that it is
	// not recorded.
	varies bool

	// run sends the requests and judges the answers. watch, instead of it, judges every exchange
	// of all cases: whether it is one that the case is about, and what is wrong with it, if
	// anything is.
	run   func(p *probe)
	watch func(x *exchange) (about bool, problem string)
}

// Cases is the catalogue, in the order in which reports have it: by specification, then by
// the sections that a reader of it comes by.
func Cases() []Case {
	var all []Case
	for _, chapter := range catalogue {
		all = append(all, chapter...)
	}
	return all
}

// Matches tells whether one of the patterns is the case's ID, its specification, or the
// beginning of its ID. No patterns match everything.
func (c *Case) Matches(patterns []string) bool {
	for _, p := range patterns {
		if p == c.ID || strings.EqualFold(p, c.Spec) || strings.HasPrefix(c.ID, p+"-") {
			return true
		}
	}
	return len(patterns) == 0
}
