package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// sample is one case, measured.
type sample struct {
	Server      string
	Case        string
	Connections int
	Records     int `json:",omitempty"` // stored before
	Requests    int
	Rate        float64       // a second
	P50         time.Duration // of the time to an answer
	P99         time.Duration
	P999        time.Duration
	CPU         time.Duration `json:",omitempty"` // of the server, for each request
	RSS         uint64        `json:",omitempty"` // of the server afterwards, bytes
	Fsyncs      int           `json:",omitempty"` // of the server, where known
	Ratio       float64       `json:",omitempty"` // of our rate to this one's, for a peer
}

func newSample(latencies []time.Duration, took time.Duration) *sample {
	slices.Sort(latencies)
	s := &sample{Requests: len(latencies), Rate: float64(len(latencies)) / took.Seconds()}
	if len(latencies) == 0 {
		return s
	}
	at := func(share float64) time.Duration { return latencies[int(share*float64(len(latencies)-1))] }
	s.P50, s.P99, s.P999 = at(0.5), at(0.99), at(0.999)
	return s
}

// table prints samples for people.
func table(out io.Writer, samples []*sample) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tserver\trecords\tconnections\trate/s\tp50\tp99\tp99.9\tCPU/request\tRSS MiB\tfsyncs\tours/theirs\t")
	for _, s := range samples {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.0f\t%v\t%v\t%v\t%v\t%d\t%s\t%s\t\n", s.Case, s.Server, s.Records, s.Connections, s.Rate,
			short(s.P50), short(s.P99), short(s.P999), short(s.CPU), s.RSS>>20, known(s.Fsyncs, "%d"), known(s.Ratio, "%.2f"))
	}
	w.Flush()
}

// known is v in this format, or nothing if there is nothing to say.
func known[N int | float64](v N, format string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

func short(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

// report is everything, for programs.
type report struct {
	At      time.Time
	Samples []*sample
	Marks   []mark `json:",omitempty"`
}

func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
