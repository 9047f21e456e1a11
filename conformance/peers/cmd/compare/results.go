package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

const preface = `# The suite against other servers

This file is written by a command, in ` + "`conformance/peers`" + `, on %s:

    go run ./cmd/compare -out ../RESULTS.md

It runs all cases of the conformance suite (` + "`conformance`" + `) against other authorization servers
and against Grantor. It is there to show that the suite bites, and on what. It is no ranking:

- A case that a server does not offer, by its metadata, says nothing about it. Nor does one that is
  not tested, for want of something that the suite would need: mostly a client of a kind that the
  server does not know, or a way to move its clock. Of Grantor more is tested, for the suite can
  move its clock and stop its store.
- fosite and go-oauth2 are libraries that leave much to whoever embeds them. What was tested is
  the wiring of their own examples, which is named below, together with what part of it is ours. An
  embedder can do better than the example. Products that are built on a library were not tested.
- Where a recommendation or an option of a library decides, the default was taken.
- The suite is Grantor's own: Grantor was corrected wherever a case found something wrong, and no
  other server was. A case that a maintainer finds unfair is a bug of the suite: please report it.
- A server that refuses what it has to refuse, but by another error code than the specification
  has for it, has failed the case all the same: the last column says what it answered.
- Each server but Grantor runs in a process of its own, over TLS, and meets the cases one after the
  other, so that a crash is put down to one case.
- MUST and SHOULD are those of the specification that a case names. Some cases are about the
  security advice in RFC 9700, which is younger than some of the servers.

Each failed case has the line that reproduces it; with ` + "`-reports DIR`" + ` the command writes every
request and answer of it to a file.
`

// write is RESULTS.md.
func write(outcomes []*outcome, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, preface, at.UTC().Format("2 January 2006"))
	b.WriteString("\n## Servers\n\n| server | version | passed | failed MUST | failed SHOULD | not offered | not tested |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, o := range outcomes {
		if o.leftOut != nil {
			fmt.Fprintf(&b, "| %s | | %s | | | | |\n", o.candidate.title, cell(o.leftOut.Error()))
			continue
		}
		n := o.report.Count("")
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d |\n", o.candidate.title, o.version, n.Passed, n.FailedMust, n.FailedShould, n.NotOffered, n.NotTested)
	}
	ran := slices.DeleteFunc(slices.Clone(outcomes), func(o *outcome) bool { return o.leftOut != nil })
	b.WriteString("\n## By specification\n\nEach cell: passed / failed MUST / failed SHOULD / not offered / not tested.\n\n| |")
	for _, o := range ran {
		fmt.Fprintf(&b, " %s |", o.candidate.title)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(ran)) + "\n")
	for _, spec := range specs(ran) {
		fmt.Fprintf(&b, "| %s |", cell(spec))
		for _, o := range ran {
			n := o.report.Count(spec)
			fmt.Fprintf(&b, " %d / %d / %d / %d / %d |", n.Passed, n.FailedMust, n.FailedShould, n.NotOffered, n.NotTested)
		}
		b.WriteString("\n")
	}
	for _, o := range ran {
		section(&b, o)
	}
	return b.String()
}

// section is about one server.
func section(b *strings.Builder, o *outcome) {
	fmt.Fprintf(b, "\n## %s %s\n\n%s\n\n", o.candidate.title, o.version, o.candidate.about)
	if o.deaths > 0 {
		times := "once"
		if o.deaths > 1 {
			times = fmt.Sprintf("%d times", o.deaths)
		}
		fmt.Fprintf(b, "The server's process died %s while the cases ran, and was started again.\n\n", times)
	}
	var failed []conformance.Result
	for _, r := range o.report.Results {
		if r.Status == conformance.Failed {
			failed = append(failed, r)
		}
	}
	if len(failed) == 0 {
		b.WriteString("No case failed.\n")
		return
	}
	fmt.Fprintf(b, "Any of these again: `go run ./cmd/compare -server %s -only CASE`\n\n", o.candidate.name)
	b.WriteString("| case | section | asked for | what happened |\n| --- | --- | --- | --- |\n")
	const most = 280
	for _, r := range failed {
		happened := line(r.Problems, most)
		family, _, _ := strings.Cut(r.ID, "-")
		if remark := cmp.Or(o.candidate.remarks[r.ID], o.candidate.remarks[family+"-*"]); remark != "" {
			happened += " — *" + remark + "*"
		}
		fmt.Fprintf(b, "| `%s` | %s §%s | %s: %s → %s | %s |\n", r.ID, cell(r.Spec), cell(r.Section), r.Level, cell(r.Request), cell(r.Want), cell(happened))
	}
}

// specs are those of the results, in the order of the catalogue.
func specs(outcomes []*outcome) []string {
	var all []string
	for _, o := range outcomes {
		for _, r := range o.report.Results {
			if !slices.Contains(all, r.Spec) {
				all = append(all, r.Spec)
			}
		}
	}
	return all
}

// cell is a text that breaks no table.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s)
}
