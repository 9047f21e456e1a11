// Command load measures an authorization server on this machine.
//
//	go run ./conformance/cmd/load                          every case, on bbolt
//	go run ./conformance/cmd/load -peers                   with other libraries beside it
//	go run ./conformance/cmd/load -records 1000000         over a store that is not empty
//	go run ./conformance/cmd/load -backend postgres        on a private PostgreSQL
//	go run ./conformance/cmd/load -marks                   everything that we promise; takes long
//	go run ./conformance/cmd/load -marks -only latency     a part of it
//
// The server is a process of its own that answers over HTTP on loopback. The load comes
// from this one, over keep-alive connections, each of which sends its next request when
// it has the answer to the last; every answer is checked. What the requests use up
// (codes, tokens) is made before the clock starts.
//
// The table says for each case: the rate, the time to an answer (median, 99 %, 99.9 %),
// the processor time that the server spent on each request, and its memory afterwards.
// Load and server share the machine, so only ratios of figures from one run mean
// something: with -peers every figure is followed by those of the others, measured in
// turns within the same minute, and by the ratio.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

func main() {
	if os.Getenv(envBackend) != "" { // started by ourselves
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.backend, "backend", "bolt", "bolt, memory or postgres")
	flag.StringVar(&o.database, "database", "", "URL of an empty PostgreSQL database, instead of a private one")
	flag.IntVar(&o.records, "records", 0, "how many live records to store first")
	connections := flag.String("connections", "1,256", "how many connections, one run for each")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long each measurement takes")
	names := flag.String("cases", "", "which cases, separated by commas (all if empty): "+strings.Join(caseNames(), ","))
	flag.BoolVar(&o.peers, "peers", false, "measure other libraries beside it")
	flag.BoolVar(&o.marks, "marks", false, "measure everything that is promised, with up to ten million records")
	only := flag.String("only", "", "with -marks, which of them, separated by commas (all if empty): "+strings.Join(markGroupNames(), ","))
	flag.IntVar(&o.most, "most", 10_000_000, "how many records at most, with -marks")
	out := flag.String("json", "", "also write the figures to this file")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a processor profile of the server to this file")
	flag.Parse()
	if err := o.understand(*connections, *names, *only, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	r := &report{At: time.Now().UTC()}
	err := o.run(r)
	table(os.Stdout, r.Samples)
	printMarks(os.Stdout, r.Marks)
	if *out != "" {
		err = errors.Join(err, r.write(*out))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	backend, database, profile string
	records, most              int
	connections                []int
	duration                   time.Duration
	chosen                     []string // names of cases
	only                       []string // names of groups of marks
	peers, marks               bool
}

// understand reads what the flag package does not.
func (o *options) understand(connections, names, only string, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is not a flag", rest[0])
	}
	for c := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 {
			return fmt.Errorf("-connections: %q is not a number of connections", c)
		}
		o.connections = append(o.connections, n)
	}
	var err error
	if o.chosen, err = some(names, caseNames(), "-cases: there is no case"); err != nil {
		return err
	}
	if o.only, err = some(only, markGroupNames(), "-only: there are no marks"); err != nil {
		return err
	}
	switch o.backend {
	case "bolt", "postgres":
	case "memory":
		if o.records > 0 {
			return errors.New("-records is for bolt and postgres: memory is empty at the start")
		}
	default:
		return fmt.Errorf("-backend: there is no backend %q; there are bolt, memory, postgres", o.backend)
	}
	return nil
}

// some are the names in a list with commas; all, if it is empty.
func some(said string, all []string, unknown string) ([]string, error) {
	if said == "" {
		return all, nil
	}
	names := strings.Split(said, ",")
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("%s %q; there are %s", unknown, name, strings.Join(all, ", "))
		}
	}
	return names, nil
}

func (o *options) run(r *report) error {
	dir, err := os.MkdirTemp("", "grantor-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.marks {
		return o.runMarks(r, dir)
	}
	program := ""
	if o.peers {
		if program, err = buildPeers(dir); err != nil {
			return err
		}
	}
	place, release, err := o.place(dir)
	if err != nil {
		return err
	}
	defer release()
	for _, c := range cases {
		if !slices.Contains(o.chosen, c.name) {
			continue
		}
		for _, n := range o.connections {
			if err := o.measure(r, c, n, place, program); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	samples, err := inProcess(o.backend, place, o.duration, o.chosen)
	for _, s := range samples {
		s.Records = o.records
	}
	r.Samples = append(r.Samples, samples...)
	return err
}

// place is where the records are, filled as told.
func (o *options) place(dir string) (string, func() error, error) {
	nothing := func() error { return nil }
	switch o.backend {
	case "bolt":
		path, err := filled(dir, o.records, false)
		return path, nothing, err
	case "postgres":
		url, release := o.database, nothing
		if url == "" {
			cluster, err := postgrestest.Start()
			if err != nil {
				return "", nothing, err
			}
			url, release = cluster.URL(), cluster.Close
		}
		store, err := openStore(context.Background(), "postgres", url)
		if err == nil {
			err = errors.Join(fill(store, o.records, false), store.Close())
		}
		return url, release, err
	}
	return "", nothing, nil
}

// measure runs a case against our server, and against the peers that serve it.
func (o *options) measure(r *report, c loadCase, connections int, place, program string) error {
	ours := func() (*process, error) { return startOurs(o.backend, place, o.profile) }
	s, err := o.one(ours, c, connections, place)
	if err != nil {
		return err
	}
	s.Records = o.records
	r.Samples = append(r.Samples, s)
	if program == "" {
		return nil
	}
	for _, p := range peers {
		if !slices.Contains(p.cases, c.name) {
			continue
		}
		n := connections
		if p.most > 0 {
			n = min(n, p.most)
		}
		theirs, err := o.one(func() (*process, error) { return startPeer(program, p.name) }, c, n, "")
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		theirs.Ratio = s.Rate / theirs.Rate
		r.Samples = append(r.Samples, theirs)
	}
	return nil
}

// one starts a server, measures one case on it, and stops it.
func (o *options) one(start func() (*process, error), c loadCase, connections int, place string) (*sample, error) {
	p, err := start()
	if err != nil {
		return nil, err
	}
	var stock []string
	before := -1
	if c.prepares != "" {
		n := 256
		if !c.reuses {
			n = int(o.duration.Seconds() * float64(o.pace(connections)))
		}
		stock, err = prepared(p, c.prepares, n)
		if err == nil && place != "" {
			// Another process, so that what preparing left in memory does not count.
			if err = p.stop(); err == nil {
				if o.backend == "postgres" {
					before = walSyncs(place)
				}
				p, err = start()
			}
			if err != nil {
				return nil, err
			}
		}
	}
	switch {
	case before >= 0 || place == "":
	case o.backend == "bolt":
		before = boltSyncs(p)
	case o.backend == "postgres":
		before = walSyncs(place)
	}
	var s *sample
	if err == nil {
		s, err = put(p, c, connections, o.duration, stock)
	}
	after := 0
	if err == nil && o.backend == "bolt" {
		after = boltSyncs(p)
	}
	if err := errors.Join(err, p.stop()); err != nil {
		return nil, err
	}
	if o.backend == "postgres" {
		after = walSyncs(place)
	}
	if before >= 0 {
		s.Fsyncs = max(after-before, 0)
	}
	return s, nil
}

// pace is how many requests a second there are at most over so many connections.
func (o *options) pace(connections int) int {
	if o.backend == "postgres" {
		return min(6_000, 1_000*connections)
	}
	return min(25_000, 4_000*connections)
}
