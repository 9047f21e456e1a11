package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
)

// The ping callback: OpenID Connect CIBA Core §10.2.

// The token delivery modes of §5. Push, in which tokens are sent to an address that is
// registered, is not offered.
const (
	deliveryPoll = "poll"
	deliveryPing = "ping"
)

const notificationPurpose = "backchannel notification"

// maxNotifications is how many clients are being told at once. What is beyond that is not told:
// it costs the client a few seconds.
const maxNotifications = 256

// notificationPauses are those between the tries to tell a client.
var notificationPauses = []time.Duration{time.Second, 5 * time.Second}

// notification is what is kept for when the user has answered.
type notification struct {
	AuthReqID string `json:"auth_req_id"`
	Token     string `json:"client_notification_token"`
}

// notifications tells clients.
type notifications struct {
	fetcher *fetch.Fetcher
	slots   chan struct{}
}

func newNotifications(fetcher *fetch.Fetcher) *notifications {
	return &notifications{fetcher: fetcher, slots: make(chan struct{}, maxNotifications)}
}

// ping tells a client in ping mode that there is something for it, and waits for nothing.
func (b *pendingBackchannel) ping(ctx context.Context) {
	endpoint := b.client.BackchannelClientNotificationEndpoint
	if b.asked.Ping == nil || b.client.BackchannelTokenDeliveryMode != deliveryPing || endpoint == "" {
		return
	}
	var told notification
	plain, err := keyring.UnsealWith(b.id, notificationPurpose, b.asked.Ping)
	if err == nil {
		err = json.Unmarshal(plain, &told)
	}
	s, client := b.Server, b.client.ID
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		s.notified(ctx, client, "notification_unreadable", err)
		return
	}
	select {
	case s.notifications.slots <- struct{}{}:
	default:
		s.notified(ctx, client, "too_many_notifications", errors.New("too many clients are being told at once; this one finds out by polling"))
		return
	}
	go func() {
		defer func() { <-s.notifications.slots }()
		s.notified(ctx, client, "notification_failed", s.notifications.send(ctx, endpoint, told))
	}()
}

// notified reports what became of it: reason counts if there is an error.
func (s *Server) notified(ctx context.Context, clientID, reason string, err error) {
	if err == nil {
		s.emit(ctx, Event{Type: ClientNotified, ClientID: clientID})
		return
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "a client was not told that its user has answered", slog.String("client_id", clientID),
		slog.String("reason", reason), slog.String("cause", err.Error()))
	s.emit(ctx, Event{Type: ClientNotNotified, ClientID: clientID, Reason: reason})
}

// send tries a few times. A client that refuses is not asked again: it has its reasons.
func (n *notifications) send(ctx context.Context, endpoint string, told notification) error {
	body, err := json.Marshal(struct {
		AuthReqID string `json:"auth_req_id"`
	}{told.AuthReqID})
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		status, err := n.fetcher.Post(ctx, endpoint, told.Token, body)
		switch {
		case err == nil && status < 300:
			return nil
		case err == nil:
			err = fmt.Errorf("the answer is %d, not 204", status)
		}
		again := status == 0 || status >= 500 || status == http.StatusTooManyRequests
		if !again || errors.Is(err, fetch.ErrRefused) || try == len(notificationPauses) {
			return err
		}
		time.Sleep(notificationPauses[try])
	}
}
