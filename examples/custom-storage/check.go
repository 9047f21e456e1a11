package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// check does what main prints: it gets a token, restarts the server on the same file,
// and expects the token to be good still; and dead for good, once it is revoked.
func check(out io.Writer) error {
	dir, err := os.MkdirTemp("", "custom-storage")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address, token := "127.0.0.1:0", ""
	for _, step := range []struct {
		name   string
		first  func(s *server) error
		active bool
	}{
		{"a new token", func(s *server) error {
			answer, err := s.post("token", "grant_type", "client_credentials")
			token, _ = answer["access_token"].(string)
			fmt.Fprintln(out, "the token is", token)
			return err
		}, true},
		{"after a restart", func(*server) error { return nil }, true},
		{"revoked", func(s *server) error { _, err := s.post("revoke", "token", token); return err }, false},
		{"after a restart", func(*server) error { return nil }, false},
	} {
		s, err := start(filepath.Join(dir, "check.db"), address)
		if err != nil {
			return err
		}
		address = s.address // the store belongs to the issuer, which this is part of
		var answer map[string]any
		if err = step.first(s); err == nil {
			answer, err = s.post("introspect", "token", token)
		}
		if err := errors.Join(err, s.stop()); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(out, "%s: %v\n", step.name, answer)
		if answer["active"] != step.active {
			return fmt.Errorf("%s: active is %v, want %v", step.name, answer["active"], step.active)
		}
	}
	return nil
}

// post sends one parameter to an endpoint, as the robot.
func (s *server) post(endpoint, name, value string) (answer map[string]any, err error) {
	form := strings.NewReader(url.Values{name: {value}}.Encode())
	r, err := http.NewRequest(http.MethodPost, "http://"+s.address+"/oauth2/"+endpoint, form)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth("robot", robotSecret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Close = true // the next request may meet another server at this address
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %s", endpoint, response.Status, body)
	case len(body) > 0: // the revocation endpoint says nothing
		err = json.Unmarshal(body, &answer)
	}
	return answer, err
}
