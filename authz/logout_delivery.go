package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
	"github.com/grantor-oauth/grantor/storage"
)

// How logout tokens get to the clients (OpenID Connect Back-Channel Logout §2.5). What is to be
// told waits in the store. Whoever delivers it claims it first, by putting it off to when it is
// to be tried again: so of several replicas one delivers, and what one leaves behind that dies
// is tried again by any.
//
// Nothing has to be started or closed for it. A goroutine runs while there is something to be
// delivered, and ends by itself. It is started by what there is to tell, by a timer for what has
// to be tried again, by New, and by a request that comes a minute or more after the last look.

const (
	// deliveriesAtOnce bounds how many clients are being told at the same time.
	deliveriesAtOnce = 8

	// deliveriesListed is how many notices are looked at in one go.
	deliveriesListed = 64

	// lookEvery is how often requests have somebody look for what others have left.
	lookEvery = time.Minute

	// shortestWait is the least that a timer waits.
	shortestWait = 100 * time.Millisecond
)

// logoutRetries is how long after an attempt the next one follows: seven attempts within about an
// hour. The first of them is longer than an attempt can take.
var logoutRetries = []time.Duration{
	20 * time.Second, 40 * time.Second, 90 * time.Second, 5 * time.Minute, 15 * time.Minute, 40 * time.Minute,
}

// deliveries is what the server remembers of them; the rest is in the store.
type deliveries struct {
	fetcher *fetch.Fetcher
	look    atomic.Int64 // when to look again, in nanoseconds since 1970, by the machine's clock

	mu      sync.Mutex
	running bool
	again   bool        // there is more than when it began
	timer   *time.Timer // for the next attempt; nil for none
	timedAt time.Time
}

// DeliverLogouts tells clients what they are to be told by now, and returns when all of them
// have been tried. A host need not call it: the server does so by itself, soon after a session
// has ended, and again, up to seven times within about an hour, for clients that do not answer. It is for a
// host that wants to know that it was done, or that deploys where nothing runs between requests.
// The error is the store's; how it went with each client is told by the events LogoutDelivered
// and LogoutFailed.
func (s *Server) DeliverLogouts(ctx context.Context) error {
	for {
		at := s.now()
		due, err := s.dueLogouts(ctx, at)
		if err != nil || len(due) == 0 {
			return err
		}
		var wait sync.WaitGroup
		slots := make(chan struct{}, deliveriesAtOnce)
		failures := make([]error, len(due))
		for i := range due {
			slots <- struct{}{}
			wait.Go(func() {
				defer func() { <-slots }()
				failures[i] = s.deliverLogout(ctx, due[i])
			})
		}
		wait.Wait()
		if err := errors.Join(failures...); err != nil {
			return err
		}
	}
}

func (s *Server) dueLogouts(ctx context.Context, at time.Time) ([]storage.Notice, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.StorageTimeout)
	defer cancel()
	return s.config.Storage.ListNotices(ctx, storage.NoticesDue(at), deliveriesListed)
}

// noticed applies a Write about notices. It reports whether it was done: not if another server
// was faster.
func (s *Server) noticed(ctx context.Context, w storage.Write) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.StorageTimeout)
	defer cancel()
	w.At = s.now()
	err := s.config.Storage.Commit(ctx, w)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// deliverLogout makes one attempt. An error is the store's.
func (s *Server) deliverLogout(ctx context.Context, n storage.Notice) error {
	claimed := n
	if n.Kind != storage.LogoutNotice { // of a later version of this package: it is left to that
		claimed.ID = storage.NewNoticeID(s.now().Add(lookEvery))
		_, err := s.noticed(ctx, storage.Write{TakeNotices: []string{n.ID}, Notices: []storage.Notice{claimed}})
		return err
	}
	last := n.Attempts >= len(logoutRetries)
	if n.Attempts > len(logoutRetries) { // the server went down during the last one
		done, err := s.noticed(ctx, storage.Write{TakeNotices: []string{n.ID}})
		if done {
			s.logoutFailed(ctx, &n, "logout_unanswered", errors.New("no attempt has come to an end"))
		}
		return err
	}
	claimed.Attempts++
	pause := logoutRetries[min(n.Attempts, len(logoutRetries)-1)]
	claimed.ID = storage.NewNoticeID(s.now().Add(pause))
	if mine, err := s.noticed(ctx, storage.Write{TakeNotices: []string{n.ID}, Notices: []storage.Notice{claimed}}); !mine {
		return err
	}
	reason, err := s.tell(ctx, &claimed)
	if reason == "logout_unanswered" && !last {
		s.logLogout(ctx, slog.LevelInfo, "a client could not be told of a logout; it is tried again", &claimed, err)
		s.deliverAt(claimed.DueAt())
		return nil
	}
	// If this fails the client is told again, which does no harm.
	if _, err := s.noticed(ctx, storage.Write{TakeNotices: []string{claimed.ID}}); err != nil {
		return err
	}
	if reason == notWanted {
		return nil
	}
	if reason != "" {
		s.logoutFailed(ctx, &claimed, reason, err)
		return nil
	}
	s.emit(ctx, Event{Type: LogoutDelivered, ClientID: n.ClientID, Subject: n.Subject})
	return nil
}

// notWanted is the reason not to tell a client that has not asked for it.
const notWanted = "not_wanted"

// tell sends a logout token to the client. The reason is empty if the client has accepted it, and
// logout_unanswered if it can be tried again.
func (s *Server) tell(ctx context.Context, n *storage.Notice) (reason string, err error) {
	defer func() {
		// Nobody is above this to catch a hook of the host's that panics, and the process is
		// not ours to end.
		if p := recover(); p != nil {
			reason, err = "logout_unanswered", fmt.Errorf("a hook panicked with a %T", p)
		}
	}()
	token, address, reason, err := s.prepareLogout(ctx, n)
	if reason != "" {
		return reason, err
	}
	status, err := s.deliveries.fetcher.PostForm(ctx, address, url.Values{"logout_token": {token}})
	switch {
	case err != nil:
		return "logout_unanswered", err
	case status/100 == 2: // §2.8: 200, and 204 as some frameworks have it
		return "", nil
	case status == http.StatusBadRequest:
		return "logout_token_refused", errTokenRefused
	}
	return "logout_unanswered", fmt.Errorf("its answer has the status %d", status)
}

func (s *Server) prepareLogout(ctx context.Context, n *storage.Notice) (token, address, reason string, _ error) {
	ctx, release := s.bounded(ctx)
	defer release()
	client, lives, err := s.clientToTell(ctx, n.ClientID)
	switch {
	case err != nil:
		return "", "", "logout_unanswered", err
	case client != nil && client.BackchannelLogoutURI == "" && s.documents != nil && s.documents.named(n.ClientID):
		return "", "", notWanted, nil // which was not known when the notice was filed
	case !lives || client != nil && client.BackchannelLogoutURI == "":
		return "", "", "client_gone", errors.New("there is no such client any more, or it does not want to be told")
	case client == nil:
		return "", "", "logout_unanswered", errors.New("its metadata document could not be fetched")
	}
	token, refused := s.logoutToken(ctx, client, n)
	if refused != nil {
		return "", "", "logout_unanswered", refused.cause
	}
	return token, client.BackchannelLogoutURI, "", nil
}

func (s *Server) logoutFailed(ctx context.Context, n *storage.Notice, reason string, err error) {
	s.logLogout(ctx, slog.LevelWarn, "a client was not told of a logout", n, err)
	s.emit(ctx, Event{Type: LogoutFailed, ClientID: n.ClientID, Subject: n.Subject, Reason: reason})
}

func (s *Server) logLogout(ctx context.Context, level slog.Level, what string, n *storage.Notice, err error) {
	cause := ""
	if err != nil {
		cause = err.Error()
	}
	s.log.LogAttrs(ctx, level, what, slog.String("client_id", n.ClientID), slog.Int("attempts", n.Attempts), slog.String("cause", cause))
}

// deliverSoon has a goroutine deliver what is due, unless one is at it.
func (s *Server) deliverSoon() {
	d := &s.deliveries
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.again = d.running; d.running {
		return
	}
	d.running = true
	go func() {
		for more := true; more; {
			s.deliverAndWait()
			d.mu.Lock()
			more, d.again = d.again, false
			d.running = more
			d.mu.Unlock()
		}
	}()
}

// deliverAndWait delivers what is due, and sees to it that somebody looks when the next is. So
// whoever has looked once goes on until nothing is left, whoever has left it.
func (s *Server) deliverAndWait() {
	ctx := context.Background()
	err := s.DeliverLogouts(ctx)
	var left []storage.Notice
	if err == nil {
		left, err = s.dueLogouts(ctx, s.now().Add(24*time.Hour))
	}
	switch {
	case errors.Is(err, storage.ErrClosed): // the host has gone on, to end or to a new start
	case err != nil:
		s.log.Error("clients are told of logouts later: the store failed", "cause", err.Error())
		s.deliverAt(s.now().Add(lookEvery))
	case len(left) > 0:
		s.deliverAt(left[0].DueAt())
	}
}

// deliverAt sees to it that somebody looks when a notice is due.
func (s *Server) deliverAt(due time.Time) {
	d := &s.deliveries
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !due.Before(d.timedAt) && s.now().Before(d.timedAt) {
		return // an earlier one will do, which sets the next
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	// The bound is for clocks of hosts' that do not run as this timer does.
	d.timer, d.timedAt = time.AfterFunc(max(due.Sub(s.now()), shortestWait), s.deliverSoon), due
}

// lookForLogouts is called with every request.
func (s *Server) lookForLogouts(now time.Time) {
	next := s.deliveries.look.Load()
	if now.UnixNano() >= next && s.config.openID() && s.deliveries.look.CompareAndSwap(next, now.Add(lookEvery).UnixNano()) {
		s.deliverSoon()
	}
}
