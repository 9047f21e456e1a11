package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// mark is something that we promise, as a ratio of two figures of one run or as a bound.
type mark struct {
	What  string
	Value float64
	Bound float64 // 0: nothing is promised, it is there to compare with
	Most  bool    // the bound is the most that it may be, not the least
	Unit  string
}

func (m mark) met() bool {
	if m.Most {
		return m.Value <= m.Bound
	}
	return m.Value >= m.Bound
}

func printMarks(out io.Writer, marks []mark) {
	if len(marks) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nwhat\tmeasured\tmark\t")
	for _, m := range marks {
		if m.Bound == 0 {
			fmt.Fprintf(w, "%s\t%.2f%s\t\t\n", m.What, m.Value, m.Unit)
			continue
		}
		sign, verdict := "≥", "ok"
		if m.Most {
			sign = "≤"
		}
		if !m.met() {
			verdict = "SHORT"
		}
		fmt.Fprintf(w, "%s\t%.2f%s\t%s %g%s\t%s\n", m.What, m.Value, m.Unit, sign, m.Bound, m.Unit, verdict)
	}
	w.Flush()
}

// marks is a run that measures all of them.
type marks struct {
	options
	report  *report
	dir     string
	program string // the peers
}

// markGroups are what -only chooses from: marks that are measured together.
var markGroups = []struct {
	name    string
	measure func(*marks) error
}{
	{"rates", (*marks).rates},
	{"minute", (*marks).minute},
	{"latency", (*marks).latency},
	{"growth", (*marks).growth},
	{"verification", (*marks).verification},
	{"sweep", (*marks).sweep},
	{"postgres", (*marks).postgres},
}

func markGroupNames() []string {
	var names []string
	for _, g := range markGroups {
		names = append(names, g.name)
	}
	return names
}

func (o *options) runMarks(r *report, dir string) error {
	m := &marks{options: *o, report: r, dir: dir}
	m.backend = "bolt"
	if slices.Contains(o.only, "rates") {
		var err error
		if m.program, err = buildPeers(dir); err != nil {
			return err
		}
	}
	for _, g := range markGroups {
		if !slices.Contains(o.only, g.name) {
			continue
		}
		if err := g.measure(m); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return nil
}

func (m *marks) atLeast(bound float64, unit string, value float64, what string) {
	m.add(mark{What: what, Value: value, Bound: bound, Unit: unit})
}

func (m *marks) atMost(bound float64, unit string, value float64, what string) {
	m.add(mark{What: what, Value: value, Bound: bound, Unit: unit, Most: true})
}

func (m *marks) compare(unit string, value float64, what string) {
	m.add(mark{What: what, Value: value, Unit: unit})
}

func (m *marks) add(one mark) {
	m.report.Marks = append(m.report.Marks, one)
	fmt.Fprintf(os.Stderr, "%s: %.2f%s\n", one.What, one.Value, one.Unit)
}

func (m *marks) sampled(s ...*sample) { m.report.Samples = append(m.report.Samples, s...) }
