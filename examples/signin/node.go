package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Runbooks as a program of its own, on Node and npm's openid-client: runbooks/runbooks.mjs. This
// one keeps the port and hands requests on.

//go:embed runbooks/*
var runbooksFiles embed.FS

// nodeProgram is that program, running.
type nodeProgram struct {
	http.Handler
	stdin io.Closer
	ended <-chan error
}

// startNode starts it. Whoever has no Node, or cannot fetch the library, gets an error to
// print.
func startNode(ctx context.Context, c siteConfig) (*nodeProgram, error) {
	dir, err := installRunbooks(ctx)
	if err != nil {
		return nil, err
	}
	var top bytes.Buffer
	if err := pages.ExecuteTemplate(&top, "top", c.name); err != nil {
		return nil, err
	}
	told, err := json.Marshal(map[string]any{
		"url": c.url, "issuer": c.issuer, "id": c.id, "key": c.key.private, "top": top.String(), "algorithm": c.algorithm, "scopes": c.scopes,
	})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "runbooks.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	stdin, err := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	port := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		port <- strings.TrimSpace(line)
		_, _ = io.Copy(io.Discard, stdout)
		ended <- cmd.Wait()
	}()
	p := &nodeProgram{stdin: stdin, ended: ended}
	if _, err := stdin.Write(append(told, '\n')); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	select {
	case line := <-port:
		if _, err := strconv.ParseUint(line, 10, 16); err != nil {
			return nil, errors.Join(errors.New("it does not start; Node has to be version 20 or later"), p.stop())
		}
		to := &url.URL{Scheme: "http", Host: "127.0.0.1:" + line}
		p.Handler = http.NewCrossOriginProtection().Handler(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
		return p, nil
	case <-time.After(2 * patience):
	case <-ctx.Done():
	}
	return nil, errors.Join(errors.New("it takes too long to start"), p.stop())
}

// stop ends the program, which its input ending does.
func (p *nodeProgram) stop() error {
	p.stdin.Close()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		return errors.New("the program of Runbooks does not end")
	}
}

// installRunbooks is the folder with the program and what npm installs of its lock file, filled
// once.
func installRunbooks(ctx context.Context) (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("there is no %s", tool)
		}
	}
	sum := sha256.New()
	files, err := fs.Sub(runbooksFiles, "runbooks")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"package-lock.json", "runbooks.mjs"} {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		sum.Write(content)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "grantor-signin-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// In a folder of its own first: several may do it at once, or be interrupted.
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(cache, "grantor-signin-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, files); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %.200s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	return dir, nil
}
