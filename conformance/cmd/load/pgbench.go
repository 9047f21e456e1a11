package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// What a code exchange writes, without any condition: one row updated, two rows added,
// of the sizes that ours have.
const (
	benchTables = `
		CREATE TABLE IF NOT EXISTS bench_codes (id bigint PRIMARY KEY, consumed_at bigint, record bytea);
		CREATE TABLE IF NOT EXISTS bench_tokens (digest uuid PRIMARY KEY, expires_at bigint, record bytea);
		INSERT INTO bench_codes SELECT n, NULL, decode(repeat('ab', 150), 'hex') FROM generate_series(1, 100000) n ON CONFLICT DO NOTHING;`
	benchScript = `\set id random(1, 100000)
BEGIN;
UPDATE bench_codes SET consumed_at = 1 WHERE id = :id;
INSERT INTO bench_tokens VALUES (gen_random_uuid(), 1, decode(repeat('ab', 150), 'hex')), (gen_random_uuid(), 1, decode(repeat('ab', 150), 'hex'));
COMMIT;
`
)

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// pgbench is the rate of such transactions.
func pgbench(ctx context.Context, dir, url string, connections int, duration time.Duration) (float64, error) {
	program, err := exec.LookPath("pgbench")
	if err != nil {
		// Where Debian keeps it.
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
		if len(found) == 0 {
			return 0, err
		}
		program = found[len(found)-1]
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	_, err = conn.Exec(ctx, benchTables)
	conn.Close(ctx)
	if err != nil {
		return 0, err
	}
	script := filepath.Join(dir, "exchange.sql")
	if err := os.WriteFile(script, []byte(benchScript), 0o600); err != nil {
		return 0, err
	}
	seconds := strconv.Itoa(max(1, int(duration.Seconds())))
	out, err := exec.Command(program, "-n", "-M", "prepared", "-c", strconv.Itoa(connections), "-j", "2", "-T", seconds, "-f", script, url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	found := tps.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("pgbench said nothing of a rate:\n%s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
