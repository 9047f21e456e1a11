package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance/internal/crash"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// The servers that are killed are this test program once more.
func TestMain(m *testing.M) {
	if crash.IsChild() {
		fmt.Fprintln(os.Stderr, crash.Serve(broken))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// kill is one run, whose progress is told if the test fails.
func kill(t *testing.T, o crash.Options) crash.Counts {
	t.Helper()
	var out bytes.Buffer
	o.Out, o.Folder = &out, t.TempDir()
	counts, err := crash.Run(t.Context(), o)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", out.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(counts)
	return counts
}

func TestBolt(t *testing.T) {
	counts := kill(t, crash.Options{Backend: "bolt", Kills: 8, Seed: 1})
	if !counts.Clean() || counts.Kills != 8 || counts.Acknowledged < 100 {
		t.Error(counts)
	}
}

// Three servers on one database, of which each can be killed, and the database too; and a
// standby that takes over.
func TestPostgres(t *testing.T) {
	counts, err := crash.Run(t.Context(), crash.Options{Backend: "postgres", Kills: 3, Failovers: 1, Seed: 3, Clients: 16, Folder: t.TempDir(), Out: t.Output()})
	if errors.Is(err, postgrestest.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") != "1" {
		t.Skip("PostgreSQL is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	if !counts.Clean() || counts.Kills != 4 || counts.Acknowledged < 50 {
		t.Error(counts)
	}
}

// The command, as somebody types it: its last line, and its exit status.
func TestCommand(t *testing.T) {
	program := filepath.Join(t.TempDir(), "crash")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, test := range []struct {
		name   string
		args   string
		status int
		last   string
	}{
		{"bolt", "-backend bolt -kills 2 -seed 5 -clients 4", 0, `^kills=2 acknowledged=\d+ lost=0 resurrected=0 doubled=0 orphaned=0$`},
		{"unknown backend", "-backend paper", 2, `no backend "paper"`},
		{"failover of bolt", "-backend bolt -failovers 1", 2, `no standby`},
		{"leftover argument", "-kills 2 bolt", 2, `"bolt" is not a flag`},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(program, strings.Fields(test.args)...)
			cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			status := 0
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				status = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; status != test.status || !regexp.MustCompile(test.last).MatchString(last) {
				t.Errorf("status %d, want %d, and the last line /%s/:\n%s", status, test.status, test.last, out)
			}
		})
	}
}
