package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

// Opener opens a store at an address: a file or a URL.
type Opener func(ctx context.Context, address string) (storage.Store, error)

// openers are the real stores.
var openers = map[string]Opener{
	"bolt": func(_ context.Context, path string) (storage.Store, error) { return bolt.Open(path) },
	"postgres": func(ctx context.Context, url string) (storage.Store, error) {
		return postgres.Open(ctx, url, postgres.Options{ApplicationName: childApplication})
	},
}

// childApplication is how PostgreSQL knows the connections of servers.
const childApplication = "grantor-crash"

// childEnv makes this program a server. Its value is an order.
const childEnv = "GRANTOR_CRASH_CHILD"

// order is what a server is told when it is started.
type order struct {
	Store   string // the name of an opener
	Address string
	Diary   string
	Offset  time.Duration // how far its clock is ahead
	Point   Point
	Armed   bool // from the start
}

// IsChild reports whether this process was started by a [Run] to be a server. Whoever
// calls Run has to ask that first thing in main, and call [Serve] if so.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// Serve is a server, until it is killed or the process that started it is gone. more are
// stores besides the real ones.
func Serve(more map[string]Opener) error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &o); err != nil {
		return fmt.Errorf("%s: %w", childEnv, err)
	}
	open := more[o.Store]
	if open == nil {
		open = openers[o.Store]
	}
	if open == nil {
		return fmt.Errorf("there is no store %q", o.Store)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store, err := open(ctx, o.Address)
	if err != nil {
		return err
	}
	diary, err := openDiary(o.Diary)
	if err != nil {
		return err
	}
	t := newTrap(o.Point, o.Armed)
	h, err := newHost(&watched{Store: store, diary: diary, trap: t}, o.Offset, t)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: breakingOff(t, h.mux), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// host is an application with the server mounted. It believes whoever says who is
// signed in, and lets everybody press its users' and operators' buttons.
type host struct {
	as     *authz.Server
	store  storage.Store
	trap   *trap
	offset atomic.Int64
	mux    *http.ServeMux
}

func newHost(store storage.Store, offset time.Duration, t *trap) (*host, error) {
	h := &host{store: store, trap: t, mux: http.NewServeMux()}
	h.offset.Store(int64(offset))
	as, err := authz.New(authz.Config{
		Issuer: issuer, Storage: store, Clients: clients(),
		Scopes:      authz.Scopes{"read": "Read things", "offline_access": "Stay connected"},
		Lifetimes:   lifetimes,
		KeyRotation: rotation,
		Logger:      slog.New(slog.DiscardHandler),
		Clock:       func() time.Time { return time.Now().Add(time.Duration(h.offset.Load())) },
		Login: func(r *http.Request) (*authz.User, error) {
			if user := r.Header.Get(userHeader); user != "" {
				return &authz.User{Subject: user}, nil
			}
			return nil, errors.New("nobody is signed in")
		},
	})
	if err != nil {
		return nil, err
	}
	h.as = as
	handlers.Mount(h.mux, as)
	h.mountButtons()
	return h, nil
}

// mountButtons puts on the mux what a host does by itself.
func (h *host) mountButtons() {
	button := func(path string, press func(r *http.Request, user string) (any, error)) {
		h.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			answer, err := press(r, r.FormValue("user"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			_ = json.NewEncoder(w).Encode(answer)
		})
	}
	button(endPath, func(r *http.Request, user string) (any, error) { return nil, h.as.RevokeUser(r.Context(), user) })
	button(disconnectPath, func(r *http.Request, user string) (any, error) {
		return nil, h.as.Disconnect(r.Context(), user, r.FormValue("client"))
	})
	button(endGrantPath, func(r *http.Request, _ string) (any, error) {
		return nil, h.as.RevokeGrant(r.Context(), r.FormValue("grant"))
	})
	button(consentsPath, func(r *http.Request, user string) (any, error) {
		agreed, err := h.as.Consents(r.Context(), user, "", 1000)
		names := []string{}
		for _, c := range agreed {
			names = append(names, c.ClientID)
		}
		return names, err
	})
	button(grantsPath, func(r *http.Request, user string) (any, error) {
		return h.store.ListGrants(r.Context(), user, "", 1000)
	})
	button(registerPath, func(r *http.Request, _ string) (any, error) {
		return nil, h.as.RegisterClient(r.Context(), registered(r.FormValue("client"), r.FormValue("name")))
	})
	button(armPath, func(*http.Request, string) (any, error) {
		h.trap.arm()
		return nil, nil
	})
	button(clockPath, func(r *http.Request, _ string) (any, error) {
		offset, err := time.ParseDuration(r.FormValue("offset"))
		if err != nil {
			return nil, err
		}
		h.offset.Store(int64(offset))
		set, err := h.as.JWKS(r.Context()) // takes what step is due
		if err != nil {
			return nil, err
		}
		kids := []string{}
		for _, k := range set.Keys {
			kids = append(kids, k.KeyID)
		}
		return kids, nil
	})
}
