package crash

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/grantor-oauth/grantor/storage"
)

// watched is a store that keeps a diary and has a trap before and after each change.
type watched struct {
	storage.Store
	diary *diary
	trap  *trap
}

// change makes one change.
func (s *watched) change(kind string, e entry, make func() error) error {
	n := s.diary.begin(e)
	s.trap.spring(false, kind)
	err := make()
	s.diary.end(n, err)
	if err == nil {
		s.trap.spring(true, kind)
	}
	return err
}

func (s *watched) Commit(ctx context.Context, w storage.Write) error {
	return s.change(kindOf(&w), entry{Write: &w}, func() error { return s.Store.Commit(ctx, w) })
}

func (s *watched) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	told := ring
	told.Keys = nil
	for _, k := range ring.Keys {
		k.Material = nil // the diary keeps no secret
		told.Keys = append(told.Keys, k)
	}
	return s.change(kindKeys, entry{Ring: &told}, func() error { return s.Store.SwapKeys(ctx, ring) })
}

func (s *watched) PutClient(ctx context.Context, c storage.Client) error {
	return s.change(kindClient, entry{Client: &c}, func() error { return s.Store.PutClient(ctx, c) })
}

// breakingOff is a handler that may die in the middle of an answer: the client has seen
// how it begins, and never how it ends.
func breakingOff(t *trap, next http.Handler) http.Handler {
	if t.point.Kind != kindAnswer {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		body := answer.Body.Bytes()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		if t.due(false, kindAnswer) {
			_, _ = w.Write(body[:len(body)/2])
			_ = http.NewResponseController(w).Flush()
			die()
		}
		_, _ = w.Write(body)
	})
}
