package faults_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/grantor-oauth/grantor/authz"
	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// mounted is a small file system of its own, of this type. Only root can mount one.
func mounted(t *testing.T, kind string) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "mounting a file system takes root")
	}
	dir = t.TempDir()
	var err error
	if kind == "tmpfs" {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
	} else {
		err = mountImage(t, dir)
	}
	if err != nil {
		lacking(t, "a %s cannot be mounted here: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

// mountImage mounts an ext4 that lives in a file.
func mountImage(t *testing.T, dir string) error {
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, 8<<20); err != nil {
		return err
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, out)
		}
	}
	return nil
}

func openBoltIn(t *testing.T, dir string) storage.Store {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "authz.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// fill takes all the space that is left, and returns how to give it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that is full, and then is not.
func TestDisk_full(t *testing.T) {
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			dir := mounted(t, kind)
			h := newHost(t, openBoltIn(t, dir), opaque)
			live := withoutDisk(t, h, func() (mend func()) { return fill(t, dir) })
			if err := h.store.Close(); err != nil {
				t.Fatal(err)
			}
			again := newHost(t, openBoltIn(t, dir), opaque, func(c *authz.Config) { c.Issuer = h.URL })
			for _, p := range live {
				alive(t, again.Site, p)
			}
		})
	}
}

// Files that may not be written any more, and then may again: chattr +i, which on ext4
// also stops whoever has them open.
func TestDisk_immutable(t *testing.T) {
	dir := mounted(t, "ext4")
	h := newHost(t, openBoltIn(t, dir), opaque)
	withoutDisk(t, h, func() func() {
		const immutable = 0x10 // FS_IMMUTABLE_FL
		all := func(flags int32) {
			for _, name := range []string{"authz.db", "authz.db-log0", "authz.db-log1"} {
				setFlags(t, filepath.Join(dir, name), flags)
			}
		}
		all(immutable)
		return func() { all(0) }
	})
}

// setFlags is chattr: FS_IOC_SETFLAGS, keeping the flag that says how ext4 lays out files.
func setFlags(t *testing.T, path string, flags int32) {
	t.Helper()
	const extents, setFlags = 0x80000, 0x40086602
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flags |= extents
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), setFlags, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		t.Fatal(errno)
	}
}

// A limit on the size of files, reached and then lifted. It holds for the whole process,
// so this runs in one of its own.
func TestDisk_file_size_limit(t *testing.T) {
	apart(t, func(t *testing.T) {
		dir := t.TempDir()
		h := newHost(t, openBoltIn(t, dir), opaque)
		withoutDisk(t, h, func() func() {
			info, err := os.Stat(filepath.Join(dir, "authz.db"))
			if err != nil {
				t.Fatal(err)
			}
			before := limitFileSize(t, uint64(info.Size()))
			return func() { limitFileSize(t, before) }
		})
	})
}

// limitFileSize sets RLIMIT_FSIZE and returns what it was.
func limitFileSize(t *testing.T, most uint64) (before uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	before, limit.Cur = limit.Cur, most
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	return before
}

// A disk that hangs, frozen as by fsfreeze: writers are told in time, readers are answered,
// and when the disk is back so is the server.
func TestDisk_hangs(t *testing.T) {
	dir := mounted(t, "ext4")
	h := newHost(t, openBoltIn(t, dir), opaque, hurried)
	p, code := h.tokens(t, "ana", Web), h.code(t, "bob", Web)
	ioctl := func(request uintptr) error {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer d.Close()
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), request, 0); errno != 0 {
			return errno
		}
		return nil
	}
	const freeze, thaw = 0xc0045877, 0xc0045878 // FIFREEZE, FITHAW
	if err := ioctl(freeze); err != nil {
		lacking(t, "the file system cannot be frozen: %v", err)
	}
	// Whatever happens here, the machine must not be left with a frozen file system.
	guard := time.AfterFunc(20*time.Second, func() { ioctl(thaw) })
	together(100, func(i int) {
		sent := time.Now()
		if i%4 == 0 {
			wants(t, "introspection", h.Introspect(API, p.access), Active)
			if took := time.Since(sent); took > hurry/2 {
				t.Errorf("a look-up took %v, although only writing hangs", took)
			}
			return
		}
		answer := []func() *Answer{
			nil,
			func() *Answer { return h.Refresh(Web, p.refresh) },
			func() *Answer { return h.Browser(fmt.Sprint(i)).Authorize(First) },
			func() *Answer { return h.Own(Service) },
		}[i%4]()
		if err := answer.Unavailable(); err != nil {
			t.Error(err)
		}
		if took := time.Since(sent); took > hurry+time.Second {
			t.Errorf("the answer took %v", took)
		}
	})
	if guard.Stop() {
		if err := ioctl(thaw); err != nil {
			t.Fatal(err)
		}
	}
	// What was on its way to the disk may have happened: the same refresh is answered
	// either way, by the grace window.
	next := issued(t, h.Refresh(Web, p.refresh))
	alive(t, h.Site, next)
	wants(t, "a code from before", h.Redeem(Web, code), OK)
	wants(t, "revocation", h.Revoke(Web, next.refresh), OK)
	dead(t, h.Site, Web, next)
}
