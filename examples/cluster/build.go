package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// buildQuickstart makes the program that the replicas run, from the source beside ours.
func buildQuickstart(folder string) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", errors.New("the go command, which builds examples/quickstart for the replicas, is not on the PATH: add Go's bin folder to it")
	}
	_, here, _, _ := runtime.Caller(0)
	source := filepath.Join(filepath.Dir(here), "..", "quickstart")
	if _, err := os.Stat(source); err != nil {
		return "", fmt.Errorf("the source of the quickstart is not where this program was built: %w; start it with go run ./examples/cluster, without -trimpath", err)
	}
	program := filepath.Join(folder, "quickstart")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building examples/quickstart: %w\n%s", err, out)
	}
	return program, nil
}
