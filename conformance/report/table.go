package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/grantor-oauth/grantor/conformance"
)

var columns = []string{"specification", "passed", "failed MUST", "failed SHOULD", "not offered", "not tested"}

// Table writes how many cases of each specification came to what, every case that failed with
// what was wrong, and what kept the suite from trying others.
func Table(w io.Writer, r *conformance.Report) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", title(r))
	if r.Name != "" {
		fmt.Fprintf(b, "%s\n", line(r.Issuer))
	}
	b.WriteString("\n")
	specs := r.Specs()
	width := len(columns[0])
	for _, spec := range specs {
		width = max(width, utf8.RuneCountInString(line(spec)))
	}
	counts := func(name string, n conformance.Count) {
		fmt.Fprintf(b, "%-*s", width, name)
		for i, count := range []int{n.Passed, n.FailedMust, n.FailedShould, n.NotOffered, n.NotTested} {
			fmt.Fprintf(b, "  %*d", len(columns[i+1]), count)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "%-*s  %s\n", width, columns[0], strings.Join(columns[1:], "  "))
	for _, spec := range specs {
		counts(line(spec), r.Count(spec))
	}
	counts("all", r.Count(""))
	for i := range r.Results {
		if r.Results[i].Status == conformance.Failed {
			failure(b, &r.Results[i])
		}
	}
	lacking(b, r)
	return b.Flush()
}

func failure(b *bufio.Writer, one *conformance.Result) {
	fmt.Fprintf(b, "\nFAILED %s: %s §%s, %s\n", line(one.ID), line(one.Spec), line(one.Section), one.Level)
	fmt.Fprintf(b, "  request  %s\n  want     %s\n", line(one.Request), line(one.Want))
	for _, problem := range one.Problems {
		fmt.Fprintf(b, "  got      %s\n", strings.ReplaceAll(strings.TrimRight(plain(problem), "\n"), "\n", "\n           "))
	}
}

// lacking lists what the suite would have to be given, each reason once.
func lacking(b *bufio.Writer, r *conformance.Report) {
	var reasons []string
	cases := map[string][]string{}
	for _, one := range r.Results {
		if one.Status != conformance.NotTested {
			continue
		}
		if cases[one.Reason] == nil {
			reasons = append(reasons, one.Reason)
		}
		cases[one.Reason] = append(cases[one.Reason], line(one.ID))
	}
	if len(reasons) > 0 {
		b.WriteString("\nnot tested:\n")
	}
	for _, reason := range reasons {
		fmt.Fprintf(b, "  %s\n    %s\n", line(reason), strings.Join(cases[reason], ", "))
	}
}
