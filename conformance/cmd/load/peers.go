package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
)

// peer is another server that runs beside ours, in the same minute. They live in a module
// of their own, so that nothing of them gets into ours.
type peer struct {
	name  string
	cases []string // that it serves

	// most is how many connections it is given at most; zero for any number. A password
	// hash takes a fifth of a second, and a connection that waits for 255 others' has not
	// one answer within the time.
	most int
}

var peers = []peer{
	{"fosite-fast", []string{"client_credentials_opaque", "client_credentials_jwt", "code_exchange", "refresh", "introspection", "revocation"}, 0},
	{"fosite-bcrypt", []string{"client_credentials_opaque"}, 4},
	{"go-oauth2", []string{"client_credentials_opaque"}, 0},
	{"zitadel", []string{"client_credentials_opaque"}, 0},
}

// buildPeers makes the program that all the peers are in.
func buildPeers(dir string) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(dir, "peers")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(filepath.Dir(here), "..", "..", "peers")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the peers (they need the network once): %w\n%s", err, out)
	}
	return program, nil
}

func startPeer(program, name string) (*process, error) {
	return start(name, exec.Command(program, "-peer", name))
}
