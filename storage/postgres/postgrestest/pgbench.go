package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pgbench is PostgreSQL's own benchmark with transactions like those of a code exchange:
// each updates one row, locks one and inserts two, of the sizes that ours have, pipelined
// and prepared, and judges nothing. It is what the server can do at best, to set our
// figures against.
type Pgbench struct {
	program, url string
	clients      int
	rows, used   int // of each client
}

// NewPgbench makes tables like those of storage/postgres, which have to be there, with
// enough rows for n transactions in all. It returns [ErrNotInstalled] if the program is
// not on the machine.
func NewPgbench(ctx context.Context, url string, clients, n int) (*Pgbench, error) {
	folder := slices.IndexFunc(candidates(), func(folder string) bool {
		_, err := os.Stat(filepath.Join(folder, "pgbench"))
		return err == nil
	})
	if folder < 0 {
		return nil, fmt.Errorf("%w: pgbench is not there", ErrNotInstalled)
	}
	p := &Pgbench{program: filepath.Join(candidates()[folder], "pgbench"), url: url, clients: clients, rows: (n + clients - 1) / clients}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("postgrestest: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{
		"DROP TABLE IF EXISTS bench_codes, bench_tokens, bench_grants",
		"CREATE TABLE bench_codes (LIKE grantor_codes INCLUDING ALL)",
		"CREATE TABLE bench_tokens (LIKE grantor_tokens INCLUDING ALL)",
		"CREATE TABLE bench_grants (LIKE grantor_grants INCLUDING ALL)",
		// Digests of 38 bytes, records of the size that ours have.
		fmt.Sprintf(`INSERT INTO bench_codes SELECT int8send(c * 1000000 + n) || decode(repeat('ab', 30), 'hex'), 1, NULL, decode(repeat('cd', 170), 'hex')
			FROM generate_series(0, %d) c, generate_series(1, %d) n`, clients-1, p.rows),
		"INSERT INTO bench_grants SELECT digest, 'user', 'bench', 1, NULL, NULL, record FROM bench_codes",
		"VACUUM ANALYZE bench_codes", "VACUUM ANALYZE bench_grants",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("postgrestest: %s: %w", sql, err)
		}
	}
	return p, nil
}

var pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+)`)

// Run makes n transactions, a multiple of the number of clients, and returns how long
// they took, without connecting.
func (p *Pgbench) Run(ctx context.Context, n int) (time.Duration, error) {
	each := n / p.clients
	if each == 0 || p.used+each > p.rows {
		return 0, errors.New("postgrestest: pgbench has no rows for so many transactions: give NewPgbench a larger n")
	}
	folder, err := os.MkdirTemp("", "pgbench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	script := filepath.Join(folder, "exchange.sql")
	if err := os.WriteFile(script, []byte(pgbenchScript()), 0o600); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, p.program, "-n", "-M", "prepared", "-c", strconv.Itoa(p.clients), "-j", "2",
		"-D", "n="+strconv.Itoa(p.used), "-t", strconv.Itoa(each), "-f", script, p.url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("postgrestest: pgbench: %w: %s", err, out)
	}
	p.used += each
	said := pgbenchRate.FindSubmatch(out)
	if said == nil {
		return 0, fmt.Errorf("postgrestest: pgbench said no rate: %s", out)
	}
	rate, err := strconv.ParseFloat(string(said[1]), 64)
	return time.Duration(float64(each*p.clients) / rate * float64(time.Second)), err
}

func pgbenchScript() string {
	key := func(filler string) string { return `int8send(:id) || decode(repeat('` + filler + `', 30), 'hex')` }
	insert := func(filler string) string {
		return `INSERT INTO bench_tokens (digest, expires_at, record) VALUES (` + key(filler) + `, 1, decode(repeat('cd', 120), 'hex'));`
	}
	return strings.Join([]string{
		`\set n :n + 1`,
		`\set id :client_id * 1000000 + :n`,
		`\startpipeline`,
		`BEGIN;`,
		`UPDATE bench_codes SET consumed_at = 1 WHERE digest = ` + key("ab") + `;`,
		`SELECT 1 FROM bench_grants WHERE id = ` + key("ab") + ` FOR SHARE;`,
		insert("ab"),
		insert("cd"),
		`COMMIT;`,
		`\endpipeline`,
		``,
	}, "\n")
}
