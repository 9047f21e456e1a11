package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/examples/cli/client"
)

// What is not the user's alone, or not whole, is not used, and the error says what to do.
func TestStore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "login")
	store, err := client.OpenStore(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(); !errors.Is(err, client.ErrSignedOut) {
		t.Errorf("empty: %v", err)
	}
	refused := func(what, cure string) {
		t.Helper()
		if _, err := store.Load(); err == nil || errors.Is(err, client.ErrSignedOut) || !strings.Contains(err.Error(), cure) {
			t.Errorf("%s: %v, want %q", what, err, cure)
		}
	}
	if err := os.WriteFile(store.File(), []byte(`{"access_token":"half of a to`), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("cut off", "remove it")
	if _, err := store.Load(); strings.Contains(err.Error(), "half of") {
		t.Errorf("the error holds the token: %v", err)
	}
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(store.File(), mode); err != nil {
			t.Fatal(err)
		}
		refused(mode.String(), "chmod 600")
	}
	for _, mode := range []os.FileMode{0o750, 0o701} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := client.OpenStore(folder); err == nil || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("a folder of mode %v: %v", mode, err)
		}
	}
}
