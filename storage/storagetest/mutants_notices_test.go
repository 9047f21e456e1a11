package storagetest_test

import (
	"context"
	"errors"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

func init() {
	mutants = append(mutants, []mutant{
		{name: "looks_for_a_notice_and_takes_it_later", caughtBy: "races/one_claims_a_notice", open: tamper(
			func(ctx context.Context, sound storage.Store, w storage.Write) error {
				if len(w.TakeNotices) == 0 {
					return sound.Commit(ctx, w)
				}
				there, err := sound.ListNotices(ctx, "~", 1000)
				if err != nil {
					return err
				}
				for _, id := range w.TakeNotices {
					found := false
					for _, n := range there {
						found = found || n.ID == id
					}
					if !found {
						return storage.ErrNotFound
					}
				}
				time.Sleep(disk)
				err = sound.Commit(ctx, w)
				if errors.Is(err, storage.ErrNotFound) { // a DELETE that counts no rows would not notice
					w.TakeNotices = nil
					return sound.Commit(ctx, w)
				}
				return err
			})},
		{name: "files_notices_in_a_transaction_of_their_own", caughtBy: "atomic/none_after_notice_exists", open: tamper(
			func(ctx context.Context, sound storage.Store, w storage.Write) error {
				then := storage.Write{At: w.At, Notices: w.Notices}
				w.Notices = nil
				if err := sound.Commit(ctx, w); err != nil {
					return err
				}
				return sound.Commit(ctx, then)
			})},
		{name: "replaces_a_notice", caughtBy: "notices/added_once", open: before(
			func(ctx context.Context, sound storage.Store, w *storage.Write) error {
				for _, n := range w.Notices {
					_ = sound.Commit(ctx, storage.Write{At: w.At, TakeNotices: []string{n.ID}})
				}
				return nil
			})},
		{name: "lists_notices_that_are_not_due", caughtBy: "notices/listed_by_when_they_are_due", open: func() storage.Store {
			return impatient{memory.New()}
		}},
	}...)
}

// impatient lists what is due in a minute as well.
type impatient struct{ storage.Store }

func (s impatient) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	n := storage.Notice{ID: before}
	return s.Store.ListNotices(ctx, storage.NoticesDue(n.DueAt().Add(time.Minute)), limit)
}
