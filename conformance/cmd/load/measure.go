package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// rounds is how often the two sides of a ratio take turns: the median of the ratios is
// what counts.
const rounds = 5

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// onBolt measures one case on our server over this file, which need not be there.
func (m *marks) onBolt(path string, c loadCase, connections int) (*sample, error) {
	s, err := m.one(func() (*process, error) { return startOurs("bolt", path, "") }, c, connections, path)
	if err == nil {
		m.sampled(s)
	}
	return s, err
}

// folder is a new one.
func (m *marks) folder() (string, error) { return os.MkdirTemp(m.dir, "mark-") }

// rates: durable on bbolt, against plain fosite in memory.
func (m *marks) rates() error {
	for _, mark := range []struct {
		name  string
		bound float64
	}{{"client_credentials_opaque", 1.1}, {"client_credentials_jwt", 1.2}, {"code_exchange", 0.9}, {"refresh", 0.9}} {
		c := caseNamed(mark.name)
		var rates, tails []float64
		for range rounds {
			dir, err := m.folder()
			if err != nil {
				return err
			}
			ours, err := m.onBolt(filepath.Join(dir, "authz.db"), c, 256)
			if err != nil {
				return err
			}
			theirs, err := m.one(func() (*process, error) { return startPeer(m.program, "fosite-fast") }, c, 256, "")
			if err != nil {
				return fmt.Errorf("fosite: %w", err)
			}
			theirs.Ratio = ours.Rate / theirs.Rate
			m.sampled(theirs)
			rates = append(rates, theirs.Ratio)
			tails = append(tails, float64(ours.P99)/float64(theirs.P99))
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		m.atLeast(mark.bound, "×", median(rates), mark.name+", 256 connections: rate against fosite in memory")
		if mark.name == "client_credentials_opaque" {
			m.atMost(0.5, "×", median(tails), mark.name+", 256 connections: p99 against fosite in memory")
		}
	}
	return nil
}

// minute: memory after one of issuing.
func (m *marks) minute() error {
	long := *m
	long.duration = time.Minute
	path := filepath.Join(m.dir, "minute.db")
	s, err := long.onBolt(path, caseNamed("client_credentials_opaque"), 256)
	if err != nil {
		return err
	}
	m.atMost(150, " MiB", float64(s.RSS)/(1<<20), "memory after a minute of issuing opaque tokens, 256 connections")
	return os.Remove(path)
}

// latency: one connection, against one bare fsync of 4 KiB at the end of a file. Beside it,
// against one in place, which takes little more than half of that: a code exchange again; and
// a handler of the same process that does nothing but such an fsync, because a disk takes
// longer, and so does whoever waits for it, when both were idle before.
func (m *marks) latency() error {
	var ratios, inPlace, floor []float64
	alone := loadCase{name: "fsync_over_http", path: syncPath, params: caseNamed("code_exchange").params}
	for range rounds {
		dir, err := m.folder()
		if err != nil {
			return err
		}
		bare, err := bareFsync(m.duration/2, false)
		if err != nil {
			return err
		}
		placed, err := bareFsync(m.duration/2, true)
		if err != nil {
			return err
		}
		s, err := m.onBolt(filepath.Join(dir, "authz.db"), caseNamed("code_exchange"), 1)
		if err != nil {
			return err
		}
		idle, err := m.onBolt(filepath.Join(dir, "authz.db"), alone, 1)
		if err != nil {
			return err
		}
		m.sampled(bare, placed)
		ratios = append(ratios, float64(s.P50)/float64(bare.P50))
		inPlace = append(inPlace, float64(s.P50)/float64(placed.P50))
		floor = append(floor, float64(idle.P50)/float64(placed.P50))
	}
	m.atMost(2.5, "×", median(ratios), "code_exchange, 1 connection: median against a bare fsync")
	m.compare("×", median(inPlace), "the same against a bare fsync in place")
	m.compare("×", median(floor), "a handler with an fsync in place and nothing else, 1 connection: the same")
	return nil
}

// growth: what a store that is not empty costs.
func (m *marks) growth() error {
	for _, step := range []struct {
		records int
		bound   float64
	}{{1_000_000, 0.9}, {10_000_000, 0.8}} {
		if step.records > m.most {
			continue
		}
		dir, err := m.folder()
		if err != nil {
			return err
		}
		full, err := filled(dir, step.records, false)
		if err != nil {
			return err
		}
		if err := m.grown(dir, full, step.records, step.bound); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func (m *marks) grown(dir, full string, records int, bound float64) error {
	stored := fmt.Sprintf("%d M records stored", records/1_000_000)
	c := caseNamed("client_credentials_opaque")

	// Before others of these tokens are issued.
	samples, err := inProcess("bolt", full, m.duration/2, []string{verifyOpaque})
	if err != nil {
		return err
	}
	samples[0].Records = records
	m.sampled(samples...)
	if records == 1_000_000 {
		m.atMost(5, " µs", float64(samples[0].P50)/1e3, "in-process verification of an opaque token with "+stored)
	}
	p, err := startOurs("bolt", full, "")
	if err != nil {
		return err
	}
	self, err := p.self()
	if err := errors.Join(err, p.stop()); err != nil {
		return err
	}
	m.atMost(100, " MiB", float64(self.Heap)/(1<<20), "Go heap with "+stored)
	m.atMost(0.5, " s", self.Startup.Seconds(), "start-up with "+stored)

	var ratios []float64
	for i := range rounds {
		a, err := m.onBolt(filepath.Join(dir, fmt.Sprintf("empty-%d.db", i)), c, 256)
		if err != nil {
			return err
		}
		b, err := m.onBolt(full, c, 256)
		if err != nil {
			return err
		}
		b.Records = records
		ratios = append(ratios, b.Rate/a.Rate)
	}
	m.atLeast(bound, "×", median(ratios), "issue rate with "+stored+", against an empty store")
	return nil
}

// verification: signed tokens in the same process, in turns with a bare verification of a
// signature.
func (m *marks) verification() error {
	var first, seen []float64
	for range rounds {
		dir, err := m.folder()
		if err != nil {
			return err
		}
		samples, err := inProcess("bolt", filepath.Join(dir, "authz.db"), m.duration/5, []string{verifyJWT, verifyFirstJWT})
		if err != nil {
			return err
		}
		m.sampled(samples...)
		p50 := func(name string) float64 {
			i := slices.IndexFunc(samples, func(s *sample) bool { return s.Case == name })
			return float64(samples[i].P50)
		}
		first = append(first, p50(verifyFirstJWT)/p50(bareVerification))
		seen = append(seen, p50(verifyJWT)/1e3)
	}
	m.atMost(1.15, "×", median(first), "in-process verification of a JWT, against a bare ES256 verification")
	m.atMost(2, " µs", median(seen), "in-process verification of a JWT that was seen before")
	return nil
}

// sweep: a million expired records go while tokens are issued.
func (m *marks) sweep() error {
	c := caseNamed("client_credentials_opaque")
	var ratios []float64
	for range rounds {
		dir, err := m.folder()
		if err != nil {
			return err
		}
		dead, err := filled(dir, min(1_000_000, m.most), true)
		if err != nil {
			return err
		}
		a, err := m.onBolt(filepath.Join(dir, "clean.db"), c, 256)
		if err != nil {
			return err
		}
		b, err := m.onBolt(dead, c, 256)
		if err != nil {
			return err
		}
		ratios = append(ratios, float64(b.P99)/float64(a.P99))
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	m.atMost(1.5, "×", median(ratios), "p99 while 1 M expired records are swept, against none")
	return nil
}

// postgres: code exchanges over HTTP, against pgbench making as many commits of the same
// size.
func (m *marks) postgres() error {
	pg := *m
	pg.backend, pg.records = "postgres", 0
	place, release, err := pg.place(m.dir)
	if err != nil {
		return err
	}
	defer release()
	const connections = 32
	c := caseNamed("code_exchange")
	start := func() (*process, error) { return startOurs("postgres", place, "") }
	warm, err := pg.one(start, c, connections, place) // and the tables are there
	if err != nil {
		return err
	}
	// About as many as we make in the time.
	each := max(1, warm.Requests/connections) * connections
	bench, err := postgrestest.NewPgbench(context.Background(), place, connections, rounds*each)
	if err != nil {
		return err
	}
	var ratios []float64
	for range rounds {
		took, err := bench.Run(context.Background(), each)
		if err != nil {
			return err
		}
		s, err := pg.one(start, c, connections, place)
		if err != nil {
			return err
		}
		m.sampled(s)
		ratios = append(ratios, s.Rate*took.Seconds()/float64(each))
	}
	m.atLeast(0.5, "×", median(ratios), "PostgreSQL: code exchanges against pgbench's equal commits, 32 connections")
	return nil
}
