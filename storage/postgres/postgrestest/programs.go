package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled: the machine has no PostgreSQL server of version 15 or later.
var ErrNotInstalled = errors.New("postgrestest: no PostgreSQL 15 or later found; install the server, or put its folder of programs into PATH")

// oldest is the first version that works.
const oldest = 15

// programs is where PostgreSQL's programs are, and who runs them.
type programs struct {
	folder  string
	account *account // nil: whoever we are
}

// account is an unprivileged user, for PostgreSQL refuses to run as root.
type account struct{ uid, gid uint32 }

func findPrograms() (programs, error) {
	if !supported {
		return programs{}, ErrNotInstalled
	}
	for _, folder := range candidates() {
		if version(folder) < oldest {
			continue
		}
		a, err := unprivileged()
		return programs{folder: folder, account: a}, err
	}
	return programs{}, ErrNotInstalled
}

// candidates are the folders that may hold the programs: what is in PATH, what
// pg_config names, and where Debian puts them, the newest first.
func candidates() []string {
	var all []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			all = append(all, filepath.Dir(real))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		all = append(all, strings.TrimSpace(string(out)))
	}
	packaged, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(packaged, func(a, b string) int { return version(b) - version(a) })
	return append(all, packaged...)
}

// version is the major version of the programs in a folder; 0 if they are not all
// there. pg_basebackup is looked for when a standby is asked for.
func version(folder string) int {
	if _, err := os.Stat(filepath.Join(folder, "initdb")); err != nil {
		return 0
	}
	out, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	words := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian …)
	if len(words) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(leadingDigits(words[2]))
	return n
}

// leadingDigits is the 15 of "15.18" and the 17 of "17beta1".
func leadingDigits(s string) string {
	for i, r := range s {
		if r < '0' || r > '9' {
			return s[:i]
		}
	}
	return s
}

// unprivileged is who runs the server when we are root: postgres, else nobody.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil {
			return &account{uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("postgrestest: PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}
