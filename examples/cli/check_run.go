package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// started is the program, running with these arguments.
type started struct {
	command *exec.Cmd
	out     *bufio.Reader
	err     strings.Builder
	seen    strings.Builder
}

func start(ctx context.Context, program string, args ...string) (*started, error) {
	s := &started{command: exec.CommandContext(ctx, program, args...)}
	s.command.Stderr = &s.err
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	return s, s.command.Start()
}

// line waits for the line that holds this, and is it without what is around.
func (s *started) line(holds string) (string, error) {
	for {
		line, err := s.out.ReadString('\n')
		s.seen.WriteString(line)
		switch {
		case strings.Contains(line, holds):
			return strings.TrimSpace(line), nil
		case err != nil:
			_, ended := s.end()
			return "", fmt.Errorf("it never says %q: %w", holds, errors.Join(err, ended))
		}
	}
}

// end waits for the program, and is what it wrote to its standard output. The error holds
// what it wrote to the other.
func (s *started) end() (string, error) {
	_, copied := io.Copy(&s.seen, s.out)
	if err := s.command.Wait(); err != nil {
		return s.seen.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(s.err.String()))
	}
	return s.seen.String(), copied
}

// runProgram runs the program to its end.
func runProgram(ctx context.Context, program string, args ...string) (string, error) {
	s, err := start(ctx, program, args...)
	if err != nil {
		return "", err
	}
	return s.end()
}
