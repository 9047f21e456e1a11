package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// sample is what the command writes of one case.
type sample struct {
	Server, Case    string
	Connections     int
	Records         int
	Requests        int
	Rate            float64
	P50, P99, P999  int64
	CPU, RSS, Ratio float64
	Fsyncs          int
}

// build makes the command.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "load")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// measure runs it, and returns what it wrote as a table and as JSON.
func measure(t *testing.T, program string, args ...string) (string, []sample) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "figures.json")
	cmd := exec.Command(program, append(args, "-json", path)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	table, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Samples []sample }
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	return string(table), report.Samples
}

// Every case is served on every backend, its figures make sense, and the table has them.
func TestEveryCase(t *testing.T) {
	program := build(t)
	for _, backend := range []string{"bolt", "memory", "postgres"} {
		t.Run(backend, func(t *testing.T) {
			args := []string{"-backend", backend, "-duration", "200ms", "-connections", "1,8"}
			switch backend {
			case "bolt":
				args = append(args, "-records", "2000")
			case "postgres":
				cluster, err := postgrestest.Start()
				if errors.Is(err, postgrestest.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") != "1" {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer cluster.Close()
				args = append(args, "-database", cluster.URL())
			}
			table, samples := measure(t, program, args...)
			cases := map[string]int{}
			for _, s := range samples {
				cases[s.Case]++
				if s.Requests == 0 || s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 || s.P999 < s.P99 {
					t.Errorf("%+v", s)
				}
				if want := map[string]int{"bolt": 2000}[backend]; s.Records != want {
					t.Errorf("%s: over %d records, want %d", s.Case, s.Records, want)
				}
				durable := backend != "memory" && slices.Contains([]string{"client_credentials_opaque", "code_exchange", "refresh", "revocation"}, s.Case)
				idle := 3 // what a database does of its own accord, such as a checkpoint
				if backend == "memory" {
					idle = 0
				}
				if durable && s.Fsyncs == 0 || !durable && s.Fsyncs > idle {
					t.Errorf("%s: %d fsyncs of %d requests", s.Case, s.Fsyncs, s.Requests)
				}
				if runtime.GOOS == "linux" && s.Server != "in-process" && (s.RSS < 1<<20 || s.RSS > 1<<32) {
					t.Errorf("%s: RSS of %v", s.Case, s.RSS)
				}
				if !strings.Contains(table, s.Case) {
					t.Errorf("the table lacks %s", s.Case)
				}
			}
			want := map[string]int{
				"client_credentials_opaque": 2, "client_credentials_jwt": 2, "code_exchange": 2, "refresh": 2, "introspection": 2, "revocation": 2,
				"verify_opaque": 1, "verify_jwt": 1, "verify_jwt_first_time": 1, "es256_verify": 1, "protect_opaque": 1, "protect_jwt": 1,
			}
			for name, n := range want {
				if cases[name] != n {
					t.Errorf("%s was measured %d times, want %d", name, cases[name], n)
				}
			}
		})
	}
}

// The other libraries are asked for what they serve, and set against ours.
func TestPeers(t *testing.T) {
	if os.Getenv("GRANTOR_REQUIRE_ALL") != "1" {
		t.Skip("the peers are a module of their own, which has to be fetched: set GRANTOR_REQUIRE_ALL=1")
	}
	_, samples := measure(t, build(t), "-peers", "-duration", "200ms", "-connections", "4")
	for server, want := range map[string]int{"grantor-bolt": 6, "fosite-fast": 6, "fosite-bcrypt": 1, "go-oauth2": 1, "zitadel": 1} {
		n := 0
		for _, s := range samples {
			if s.Server != server {
				continue
			}
			n++
			if s.Requests == 0 || server != "grantor-bolt" && s.Ratio <= 0 {
				t.Errorf("%+v", s)
			}
		}
		if n != want {
			t.Errorf("%s was measured in %d cases, want %d", server, n, want)
		}
	}
}

// What makes no sense is refused in one line, before anything is measured.
func TestRefusals(t *testing.T) {
	program := build(t)
	for _, test := range []struct{ args, says string }{
		{"-backend paper", `no backend "paper"`},
		{"-cases refresh,fresh", `no case "fresh"`},
		{"-marks -only rate", `no marks "rate"`},
		{"-connections 0", `"0" is not a number of connections`},
		{"-backend memory -records 5", "memory is empty"},
		{"bolt", `"bolt" is not a flag`},
	} {
		t.Run(test.args, func(t *testing.T) {
			out, err := exec.Command(program, strings.Fields(test.args)...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("got %v, want exit status 2", err)
			}
			if lines := strings.Count(string(out), "\n"); lines != 1 || !strings.Contains(string(out), test.says) {
				t.Errorf("said %q, want one line with %q", out, test.says)
			}
		})
	}
}
