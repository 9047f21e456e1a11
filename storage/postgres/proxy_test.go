package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/grantor-oauth/grantor/storage/postgres"
)

// proxy stands between the store and the server, and can misbehave.
type proxy struct {
	listener net.Listener
	server   string

	mu       sync.Mutex
	mode     mode
	accepted int
	open     []net.Conn
}

type mode int

const (
	forwarding mode = iota
	vanished        // takes everything and says nothing, as behind a broken network
	orphaned        // lets clients in and then drops them, as a pooler without its server
)

// newProxy returns a proxy and the URL that leads through it.
func newProxy(t *testing.T, target string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		done.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	p.accepted++
	p.open = append(p.open, client)
	p.mu.Unlock()
	if p.now() == orphaned {
		backend := pgproto3.NewBackend(client, client)
		if _, err := backend.ReceiveStartupMessage(); err != nil {
			return
		}
		backend.Send(&pgproto3.AuthenticationOk{})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		_ = backend.Flush()
		_, _ = client.Read(make([]byte, 1))
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		p.forward(client, server)
		client.Close()
	}()
	p.forward(server, client)
}

func (p *proxy) forward(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.now() == vanished {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) now() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

func (p *proxy) become(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.accepted = m, 0
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// A server that says nothing any more does not hold a caller that has all the time in the
// world, and is found again when it is back.
func TestTheServerVanishes(t *testing.T) {
	p, through := newProxy(t, newSchema(t, shared(t)))
	const soon = 300 * time.Millisecond
	db := open(t, through, postgres.Options{MaxConns: 4, AnswerTimeout: soon, ConnectTimeout: soon})
	all := exchanges(t, db, 3)
	for i, e := range all[:2] {
		p.become(vanished)
		for what, call := range map[string]func() error{
			"reading": func() error { _, err := db.Code(context.Background(), e.code.Digest); return err },
			"listing": func() error { _, err := db.ListClients(context.Background(), "", 1); return err },
			"commit":  func() error { return db.Commit(context.Background(), e.write) },
		} {
			start := time.Now()
			err := call()
			wantCure(t, err, "does not answer")
			if d := time.Since(start); d > 10*soon {
				t.Errorf("%s took %s", what, d)
			}
		}
		p.become(forwarding)
		p.cut()
		if err := db.Commit(t.Context(), all[2].write); i == 0 && err != nil {
			t.Fatalf("after it came back: %v", err)
		}
	}
}

// Where a pooler lets us in and has no server, a read comes to an end, and does not knock
// at its door for as long as its caller waits.
func TestAPoolerWithoutItsServer(t *testing.T) {
	p, through := newProxy(t, newSchema(t, shared(t)))
	config, err := pgxpool.ParseConfig(through)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	db, err := postgres.OpenPool(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e := exchanges(t, db, 1)[0]
	p.become(orphaned)
	p.cut()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = db.Code(ctx, e.code.Digest)
	if err == nil || isFact(err) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want an error before the deadline", err)
	}
	if n := p.count(); n > 50 {
		t.Errorf("the pooler was called %d times", n)
	}
}
