package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// childEnv makes this program the server; its value is the backend and the folder, or URL, of
// its store.
const childEnv = "GRANTOR_SOAK_CHILD"

// The lives of things are as short as they can be, so that much of them ends in a minute.
var lifetimes = authz.Lifetimes{
	AuthorizationCode: 5 * time.Second, AccessToken: 10 * time.Second, RefreshTokenIdle: 30 * time.Second, RefreshToken: time.Minute,
	RefreshGrace: 2 * time.Second, PushedRequest: 5 * time.Second, Consent: time.Minute,
}

// calm is how long the store is sound between two faults, and trouble how long each lasts.
const calm, trouble = 5 * time.Second, 300 * time.Millisecond

// serve is the server, until its input ends.
func serve() error {
	backend, place, _ := strings.Cut(os.Getenv(childEnv), " ")
	inner, err := open(backend, place)
	if err != nil {
		return err
	}
	store := faults.NewStore(inner)
	host, err := faults.Open(store, func(c *authz.Config) {
		c.Lifetimes, c.KeyRotation, c.StorageTimeout = lifetimes, time.Hour, time.Second
		c.Limits.ClientSecrets = authz.Limit{Burst: -1} // all come from one address
	})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, client := range faults.Clients() {
		if err := host.AS.RegisterClient(ctx, client); err != nil {
			return err
		}
	}
	var broken atomic.Int64
	var quiet atomic.Bool // while somebody looks
	go disturb(store, &broken, &quiet)
	mux := http.NewServeMux()
	mux.HandleFunc("/look", func(w http.ResponseWriter, _ *http.Request) {
		quiet.Store(true)
		defer quiet.Store(false)
		store.Mend()
		_ = json.NewEncoder(w).Encode(look(backend, place, broken.Load())) // to the driver
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }() // ends with the process
	fmt.Printf("%s http://%s\n", host.URL, listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the driver is gone
	host.Close()
	return store.Close()
}

func open(backend, place string) (storage.Store, error) {
	switch backend {
	case "memory":
		return memory.New(), nil
	case "bolt":
		return bolt.Open(filepath.Join(place, "authz.db"))
	case "postgres":
		ctx := context.Background()
		if err := postgres.Migrate(ctx, place); err != nil {
			return nil, err
		}
		return postgres.Open(ctx, place)
	}
	return nil, fmt.Errorf("there is no backend %q", backend)
}

// disturb breaks the store now and then, each time in another way.
func disturb(store *faults.Store, broken *atomic.Int64, quiet *atomic.Bool) {
	kinds := []faults.Fault{faults.Fail, faults.Timeout, faults.Panic, faults.Hang, faults.Lose}
	for i := 0; ; i++ {
		time.Sleep(calm)
		if quiet.Load() {
			continue
		}
		broken.Add(1)
		store.Break(faults.From(0, kinds[i%len(kinds)]))
		time.Sleep(trouble)
		store.Mend()
	}
}

// look takes the figures, when what was under way has ended.
func look(backend, place string, broken int64) *figures {
	f := &figures{Faults: broken}
	// The last connections end a moment after their clients have hung up.
	for range 20 {
		if f.Goroutines = runtime.NumGoroutine(); f.Goroutines < 15 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Heap, f.Goroutines = m.HeapAlloc, runtime.NumGoroutine()
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.Files = len(open)
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, _ := strconv.ParseUint(fields[1], 10, 64)
			f.RSS = pages * uint64(os.Getpagesize())
		}
	}
	if backend == "bolt" {
		_ = filepath.WalkDir(place, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil {
				if info, err := entry.Info(); err == nil && !entry.IsDir() {
					f.Store += info.Size()
				}
			}
			return nil
		})
	}
	return f
}

// server is the server as the driver has it.
type server struct {
	address, control string
	cmd              *exec.Cmd
	input            io.Closer
	cluster          *postgrestest.Cluster
}

// startServer runs this program again.
func startServer(backend, folder string) (*server, error) {
	s := &server{}
	place := folder
	if backend == "postgres" {
		cluster, err := postgrestest.Start(postgrestest.Options{})
		if err != nil {
			return nil, err
		}
		s.cluster, place = cluster, cluster.URL()
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command(program)
	s.cmd.Env = append(os.Environ(), childEnv+"="+backend+" "+place)
	s.cmd.Stderr = os.Stderr
	input, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.input = input
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not come up: %w", err), s.stop())
	}
	s.address, s.control, _ = strings.Cut(strings.TrimSpace(line), " ")
	return s, nil
}

func (s *server) stop() error {
	err := errors.Join(s.input.Close(), s.cmd.Wait())
	if s.cluster != nil {
		err = errors.Join(err, s.cluster.Close())
	}
	return err
}

func (s *server) look() (*figures, error) {
	answer, err := http.Get(s.control + "/look")
	if err != nil {
		return nil, fmt.Errorf("the server is gone: %w", err)
	}
	defer answer.Body.Close()
	f := &figures{}
	return f, json.NewDecoder(answer.Body).Decode(f)
}
