package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// connection is one keep-alive HTTP/1.1 connection. The load shares the machine with the
// server, so it does no more than it must: write ready-made bytes, and read what comes.
type connection struct {
	net.Conn
	r    *bufio.Reader
	body []byte
}

func dial(address string) (*connection, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, r: bufio.NewReader(conn)}, nil
}

// ask sends a request, and makes sure that the answer is 200 and holds what it should.
func (c *connection) ask(request []byte, wants string) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, length := "", -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(line) == 0:
			if length < 0 {
				return errors.New("an answer without a length")
			}
			c.body = slices.Grow(c.body[:0], length)[:length]
			if _, err := io.ReadFull(c.r, c.body); err != nil {
				return err
			}
			if status != "200" || wants != "" && !bytes.Contains(c.body, []byte(wants)) {
				return fmt.Errorf("answered %s %.200q, wanted %s", status, c.body, wants)
			}
			return nil
		case status == "":
			status = string(line[9:12])
		case len(line) > 15 && strings.EqualFold(string(line[:15]), "Content-Length:"):
			length, err = strconv.Atoi(strings.TrimSpace(string(line[15:])))
			if err != nil {
				return err
			}
		}
	}
}

// put loads a server with a case for a while, or until what was prepared is used up.
func put(p *process, c loadCase, connections int, duration time.Duration, prepared []string) (*sample, error) {
	host := p.address
	queue := make(chan []byte, len(prepared))
	if !c.reuses {
		for _, one := range prepared {
			queue <- c.request(host, one)
		}
	}
	close(queue)
	open := make([]*connection, connections)
	for i := range open {
		var err error
		if open[i], err = dial(host); err != nil {
			return nil, err
		}
		defer open[i].Close()
	}
	before, err := p.used()
	if err != nil {
		return nil, err
	}
	latencies := make([][]time.Duration, connections)
	errs := make([]error, connections)
	start := time.Now()
	end := start.Add(duration)
	var wg sync.WaitGroup
	for i, conn := range open {
		wg.Go(func() {
			request := c.request(host, "")
			if c.reuses {
				request = c.request(host, prepared[i%len(prepared)])
			}
			for at := time.Now(); at.Before(end); {
				if c.prepares != "" && !c.reuses {
					var left bool
					if request, left = <-queue; !left {
						return
					}
				}
				if errs[i] = conn.ask(request, c.wants); errs[i] != nil {
					return
				}
				now := time.Now()
				latencies[i] = append(latencies[i], now.Sub(at))
				at = now
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	after, err := p.used()
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	s := newSample(slices.Concat(latencies...), took)
	s.Case, s.Connections, s.Server = c.name, connections, p.name
	if s.Requests > 0 {
		s.CPU = (after.cpu - before.cpu) / time.Duration(s.Requests)
	}
	s.RSS = after.rss
	return s, nil
}

// prepared asks the server for codes or tokens.
func prepared(p *process, what string, n int) ([]string, error) {
	answer, err := http.PostForm("http://"+p.address+"/load/prepare", url.Values{"what": {what}, "n": {strconv.Itoa(n)}})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return nil, fmt.Errorf("preparing: %s %s", answer.Status, body)
	}
	var made []string
	return made, json.NewDecoder(answer.Body).Decode(&made)
}
