package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
)

// What needs no connection is measured in this process, one call after the other.

// operation is what is called over and over, and the name that its figures get.
type operation struct {
	name string
	call func() error
}

// timed calls f for a while.
func timed(name string, duration time.Duration, f func() error) (*sample, error) {
	samples, err := inTurns(duration, operation{name, f})
	if err != nil {
		return nil, err
	}
	return samples[0], nil
}

// inTurns makes one call of each operation after the other for a while: whatever else the
// machine does meanwhile, and whatever speed its processor is at, falls on all of them.
func inTurns(duration time.Duration, operations ...operation) ([]*sample, error) {
	latencies := make([][]time.Duration, len(operations))
	start := time.Now()
	at := start
measuring:
	for at.Sub(start) < duration {
		for i, o := range operations {
			if err := o.call(); errors.Is(err, errUsedUp) {
				break measuring
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", o.name, err)
			}
			now := time.Now()
			latencies[i] = append(latencies[i], now.Sub(at))
			at = now
		}
	}
	samples := make([]*sample, len(operations))
	for i, o := range operations {
		var took time.Duration
		for _, l := range latencies[i] {
			took += l
		}
		s := newSample(latencies[i], took)
		s.Case, s.Server, s.Connections = o.name, "in-process", 1
		samples[i] = s
	}
	return samples, nil
}

// bareFsync is a write of 4 KiB that reaches the disk, over and over: at the end of a file, as
// whoever keeps a log writes; or in place, where the file system has nothing to note.
func bareFsync(duration time.Duration, inPlace bool) (*sample, error) {
	f, err := newSyncedFile()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if inPlace {
		return timed("fsync_in_place", duration, f.write)
	}
	return timed("fsync", duration, f.append)
}

// syncedFile is a file of which 4 KiB at a time are written to the disk.
type syncedFile struct {
	*os.File
	page [4096]byte
	end  int64
}

func newSyncedFile() (*syncedFile, error) {
	f, err := os.CreateTemp("", "fsync-")
	if err != nil {
		return nil, err
	}
	s := &syncedFile{File: f}
	_ = os.Remove(f.Name()) // where that works on an open file
	n, err := f.Write(make([]byte, 1<<20))
	s.end = int64(n)
	return s, err
}

func (s *syncedFile) write() error { return s.writeAt(0) }

func (s *syncedFile) append() error {
	s.end += int64(len(s.page))
	return s.writeAt(s.end - int64(len(s.page)))
}

func (s *syncedFile) writeAt(offset int64) error {
	_, err := s.WriteAt(s.page[:], offset)
	return errors.Join(err, s.Sync())
}

// bareES256 returns one verification of a signature, and nothing else.
func bareES256() (operation, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return operation{}, err
	}
	sum := sha256.Sum256([]byte("payload"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	return operation{bareVerification, func() error {
		if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
			return errors.New("not verified")
		}
		return nil
	}}, err
}

// What the resource server's side costs in the process that holds the store: the
// verification of a stored token, of a signed one that was seen before, and of signed ones
// that were not; and handlers.Protect around an empty handler.
const (
	verifyOpaque   = "verify_opaque"
	verifyJWT      = "verify_jwt"
	verifyFirstJWT = "verify_jwt_first_time"
	protectOpaque  = "protect_opaque"
	protectJWT     = "protect_jwt"

	bareVerification = "es256_verify"
)

var inProcessCases = []string{verifyOpaque, verifyJWT, verifyFirstJWT, protectOpaque, protectJWT}

// inProcess measures those of them that were chosen.
func inProcess(backend, place string, duration time.Duration, chosen []string) ([]*sample, error) {
	if !slices.ContainsFunc(inProcessCases, func(c string) bool { return slices.Contains(chosen, c) }) {
		return nil, nil
	}
	store, err := openStore(context.Background(), backend, place)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	as, err := newServer(store)
	if err != nil {
		return nil, err
	}
	var all []*sample
	for _, name := range inProcessCases {
		if !slices.Contains(chosen, name) {
			continue
		}
		call, err := inProcessCall(as, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		operations := []operation{{name, call}}
		if name == verifyFirstJWT { // which is hardly more than this
			bare, err := bareES256()
			if err != nil {
				return nil, err
			}
			operations = append(operations, bare)
		}
		samples, err := inTurns(duration, operations...)
		if err != nil {
			return nil, err
		}
		all = append(all, samples...)
	}
	return all, nil
}

// inProcessCall is what a case does over and over.
func inProcessCall(as *authz.Server, name string) (func() error, error) {
	client := jwtClient
	if name == verifyOpaque || name == protectOpaque {
		client = opaqueClient
	}
	tokens := make([]string, 1)
	if name == verifyFirstJWT {
		tokens = make([]string, 4000)
	}
	ctx := context.Background()
	for i := range tokens {
		t, err := as.Token(ctx, &authz.Request{Parameters: url.Values{
			"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {clientSecret}, "scope": {"read"},
		}})
		if err != nil {
			return nil, err
		}
		tokens[i] = t.AccessToken
	}
	switch name {
	case verifyFirstJWT:
		next := 0
		return func() error {
			if next == len(tokens) {
				return errUsedUp
			}
			_, err := as.VerifyAccessToken(ctx, tokens[next])
			next++
			return err
		}, nil
	case protectOpaque, protectJWT:
		h := handlers.Protect(as, "read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+tokens[0])
		return func() error {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusOK {
				return errors.New(w.Result().Status)
			}
			return nil
		}, nil
	}
	return func() error {
		_, err := as.VerifyAccessToken(ctx, tokens[0])
		return err
	}, nil
}

var errUsedUp = errors.New("used up")
