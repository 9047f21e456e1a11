package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// TestCrash: what a crash leaves in the log is there after it, and then in one file again.
func TestCrash(t *testing.T) {
	s, _ := crashed(t, names...)
	path := filepath.Join(t.TempDir(), "test.db")
	s.put(t, path)
	if found, err := bolt.Check(t.Context(), path); err != nil || found.Tokens != len(names) {
		t.Errorf("Check: %+v, %v", found, err)
	}
	if now := stateOf(t, path); !bytes.Equal(now[""], s[""]) || len(now) != 3 {
		t.Error("Check has changed the database")
	}
	for round := range 2 {
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, there := range has(t, db, names...) {
			if !there {
				t.Errorf("round %d: token %s is lost", round, names[i])
			}
		}
		if round == 0 {
			err = db.Commit(t.Context(), storage.Write{At: time.Now(), ConsumeTokens: []storage.Consumption{{Digest: fixed("a").Digest}}})
		} else if got, missing := db.Token(t.Context(), fixed("a").Digest); missing != nil || got.ConsumedAt.IsZero() {
			t.Errorf("what was written after the crash: %+v, %v", got, missing)
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if now := stateOf(t, path); len(now) != 1 {
			t.Errorf("round %d: closed, it is %d files", round, len(now))
		}
	}
}

// TestLogCutOff: of the last frame, any of the sectors may have reached the disk, and the
// one before it counts all the same.
func TestLogCutOff(t *testing.T) {
	s, ends := crashed(t, names...)
	before, end := ends[len(ends)-2], ends[len(ends)-1]
	path := filepath.Join(t.TempDir(), "test.db")
	random := rand.New(rand.NewPCG(11, 12))
	lost := 0
	for round := range 64 {
		cut := s.clone()
		log := cut[logOf(s)]
		switch {
		case round == 0: // all of it is there
		case round < 20: // the file ends in the middle
			cut[logOf(s)] = log[:before+random.IntN(end-before)]
		default:
			for at := before; at < end; at = at/512*512 + 512 {
				if random.IntN(2) == 0 {
					clear(log[at:min(end, at/512*512+512)])
				}
			}
		}
		cut.put(t, path)
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		there := has(t, db, names...)
		for i := range len(names) - 1 {
			if !there[i] {
				t.Errorf("round %d: token %s is lost", round, names[i])
			}
		}
		if !there[len(names)-1] {
			lost++
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if lost < 40 || lost > 63 {
		t.Errorf("the last write was lost %d times of 64", lost)
	}
}

// logOf is the file in which a crashed database's frames are.
func logOf(s state) string {
	for end, data := range s {
		if end != "" && bytes.Contains(data, []byte("GLOG")) {
			return end
		}
	}
	return ""
}

// TestLogDamage: a log that is not what was written is refused, unless the damage is in
// what does not count. In the last frame it cannot be told from a crash.
func TestLogDamage(t *testing.T) {
	s, ends := crashed(t, names...)
	path := filepath.Join(t.TempDir(), "test.db")
	random := rand.New(rand.NewPCG(13, 14))
	const start = 4096
	refused := 0
	for round := range 400 {
		damaged := s.clone()
		log := damaged[logOf(s)]
		at, acknowledged := 0, len(names)
		switch round % 4 {
		case 0: // in a frame, but not the last
			at = start + random.IntN(ends[len(ends)-2]-start)
			log[at] ^= 1 << random.IntN(8)
		case 1: // in the last
			before := ends[len(ends)-2]
			at = before + random.IntN(ends[len(ends)-1]-before)
			log[at] ^= 1 << random.IntN(8)
			acknowledged--
		case 2: // in the head of either file
			at = random.IntN(36)
			damaged[[]string{"-log0", "-log1"}[random.IntN(2)]][at] ^= 1 << random.IntN(8)
		case 3: // a whole sector of some frame
			at = start + random.IntN(ends[len(ends)-2]-start)
			clear(log[at/512*512:][:512])
		}
		damaged.put(t, path)
		db, err := bolt.Open(path)
		if err != nil {
			refused++
			unfit(t, path, errors.Unwrap(errors.Unwrap(err)), "")
			if !errors.Is(err, bolt.ErrCorrupt) {
				t.Errorf("round %d, byte %d: %v", round, at, err)
			}
			if _, err := bolt.Check(t.Context(), path); !errors.Is(err, bolt.ErrCorrupt) {
				t.Errorf("round %d, byte %d: Check: %v", round, at, err)
			}
			continue
		}
		if round%4 != 1 {
			t.Errorf("round %d, byte %d: damage was not noticed", round, at)
		}
		for i, there := range has(t, db, names[:acknowledged]...) {
			if !there {
				t.Errorf("round %d, byte %d: token %s is silently lost", round, at, names[i])
			}
		}
		db.Close()
	}
	if refused < 300 {
		t.Errorf("%d of 400 were refused", refused)
	}
}

// TestLogOfAnother: a file and a log that do not belong together are refused, in words that
// say what to do.
func TestLogOfAnother(t *testing.T) {
	s, _ := crashed(t, names...)
	other, _ := crashed(t, "x")
	quiet := state{"": nil} // a database that was closed
	{
		path := small(t)
		quiet[""] = stateOf(t, path)[""]
	}
	with := func(s state, change func(s state)) state {
		c := s.clone()
		change(c)
		return c
	}
	for name, c := range map[string]struct {
		state state
		want  error
		says  string
	}{
		"the log is missing":              {with(s, func(s state) { delete(s, logOf(s)) }), bolt.ErrLog, "is missing"},
		"all of the log is missing":       {state{"": s[""]}, bolt.ErrLog, "is missing"},
		"the file is missing":             {with(s, func(s state) { delete(s, "") }), bolt.ErrLog, "is there without the file"},
		"the log is another's":            {with(s, func(s state) { s["-log1"] = other["-log1"] }), bolt.ErrLog, "another database's"},
		"the files of the log changed":    {with(s, func(s state) { s["-log0"], s["-log1"] = s["-log1"], s["-log0"] }), bolt.ErrLog, "swap them back"},
		"closed, beside another's log":    {with(quiet, func(q state) { q["-log0"] = other["-log0"] }), bolt.ErrLog, "another database's"},
		"something else is in its place":  {with(quiet, func(q state) { q["-log0"] = []byte("my notes") }), bolt.ErrLog, "move it away"},
		"the log is empty":                {with(s, func(s state) { s["-log0"], s["-log1"] = nil, nil }), bolt.ErrCorrupt, "checksum"},
		"the log ends in its first block": {with(s, func(s state) { s[logOf(s)] = s[logOf(s)][:100] }), bolt.ErrCorrupt, "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			c.state.put(t, path)
			unfit(t, path, c.want, c.says)
		})
	}

	// What a crash can leave of the making of a log is nobody's.
	unused, _ := crashed(t)
	for name, rest := range map[string]state{
		"empty": {"-log0": {}}, "zeros": {"-log0": make([]byte, 5000), "-log1": {}}, "whole": unused,
		"cut off": {"-log0": unused["-log0"], "-log1": unused["-log1"][:1024]}, "cut off early": {"-log0": unused["-log0"][:20]},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			rest[""] = unused[""]
			rest.put(t, path)
			db, err := bolt.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Commit(t.Context(), add(fixed("a"))), db.Close()); err != nil {
				t.Fatal(err)
			}
			if now := stateOf(t, path); len(now) != 1 {
				t.Errorf("closed, it is %d files", len(now))
			}
		})
	}
}

// TestCrashWhileTheLogIsMade: whichever of the two files the next start has got to, what the
// crash before it had left in the other is not needed any more, and in nobody's way.
func TestCrashWhileTheLogIsMade(t *testing.T) {
	s, _ := crashed(t, names...)
	path := filepath.Join(t.TempDir(), "test.db")
	s.put(t, path)
	next := func() state {
		t.Helper()
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for i, there := range has(t, db, names...) {
			if !there {
				t.Errorf("token %s is lost", names[i])
			}
		}
		return stateOf(t, path)
	}
	for round := range 6 {
		left := next()
		if round%3 != 0 {
			left["-log0"] = s["-log0"]
		}
		if round%3 != 1 {
			left["-log1"] = s["-log1"]
		}
		left.put(t, path)
	}
	next()
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Commit(t.Context(), add(fixed("f"))), db.Close()); err != nil {
		t.Fatal(err)
	}
	next()
}

// TestCloseBeforeTheNext: who waits for the file gets it when its log is gone, and may make
// one of its own.
func TestCloseBeforeTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	for round := range 20 {
		db, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Commit(t.Context(), add(newToken(fmt.Sprint(round)))); err != nil {
			t.Fatal(err)
		}
		opened := make(chan error, 1)
		go func() {
			after, err := bolt.Open(path)
			if err == nil {
				err = after.Commit(t.Context(), add(newToken(fmt.Sprint("after", round))))
				if len(stateOf(t, path)) != 3 {
					err = errors.New("its log was removed")
				}
				err = errors.Join(err, after.Close())
			}
			opened <- err
		}()
		time.Sleep(time.Duration(round) * time.Millisecond)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil {
			t.Errorf("the next: %v", err)
		}
	}
}

// TestOtherNames: the log is beside the file, however that is called and wherever the process
// goes.
func TestOtherNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "real", "test.db")
	link := filepath.Join(dir, "link.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s, _ := crashed(t, names...)
	s.put(t, path)
	if err := os.Symlink(path, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	t.Chdir(dir)
	db, err := bolt.Open("link.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(path))
	if err := db.Commit(t.Context(), add(fixed("f"))); err != nil {
		t.Fatal(err)
	}
	left := stateOf(t, path)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	left.put(t, path)
	if db, err = bolt.Open("test.db"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Token(t.Context(), fixed("f").Digest); err != nil {
		t.Error(err)
	}
}

// TestBackupBesideALog: a backup that is put in the place of a file whose log goes on from a
// later state is not given that log, and not taken without a word either.
func TestBackupBesideALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var backup bytes.Buffer
	commit := func(name string) {
		t.Helper()
		token := fixed(name)
		token.Claims = []byte(strings.Repeat(name, 300))
		if err := db.Commit(t.Context(), add(token)); err != nil {
			t.Fatal(err)
		}
	}
	commit("a")
	if _, err := db.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	commit("b")
	s := stateOf(t, path)
	s[""] = backup.Bytes()
	restored := filepath.Join(t.TempDir(), "restored.db")
	s.put(t, restored)
	unfit(t, restored, bolt.ErrLog, "if this one is from a backup, remove")
	state{"": backup.Bytes()}.put(t, restored)
	copied, err := bolt.Open(restored)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if got := fmt.Sprint(has(t, copied, "a", "b")); got != "[true false]" {
		t.Errorf("of a and b, the backup has %s", got)
	}
}

// FuzzLog: whatever is in the place of a log is read without a crash, and what is read can be
// written again.
func FuzzLog(f *testing.F) {
	s, ends := crashed(f, names...)
	f.Add(s[logOf(s)][4096:ends[len(ends)-1]], false)
	f.Add(s[logOf(s)][4096:], true)
	f.Add([]byte("\x84\x01k\x01v\x04\x01k"), true)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			data = bolt.SealFrame(data)
		}
		changes, err := bolt.ReadFrames(data)
		if err != nil {
			if !errors.Is(err, bolt.ErrCorrupt) && !errors.Is(err, bolt.ErrLog) {
				t.Errorf("got %v", err)
			}
			return
		}
		again, err := bolt.ReadFrames(bolt.WriteFrame(changes))
		if err != nil || !reflect.DeepEqual(again, changes) {
			t.Errorf("read as %v, written, and read as %v, %v", changes, again, err)
		}
	})
}
