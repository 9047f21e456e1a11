package storagetest_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// counting is a sound store that counts its epochs itself. Where around says how, it
// surrounds each change that takes something back.
type counting struct {
	storage.Store
	epoch  atomic.Uint64
	around func(s *counting, change func() error) error

	clientsLiveForever bool
	answersForAll      bool
}

func counted(around func(s *counting, change func() error) error) func() storage.Store {
	return func() storage.Store { return &counting{Store: memory.New(), around: around} }
}

// after is how it has to be done.
func after(s *counting, change func() error) error {
	defer s.epoch.Add(1)
	return change()
}

func (s *counting) Commit(ctx context.Context, w storage.Write) error {
	if !w.TakesBack() {
		return s.Store.Commit(ctx, w)
	}
	return s.around(s, func() error { return s.Store.Commit(ctx, w) })
}

func (s *counting) PutClient(ctx context.Context, c storage.Client) error {
	if s.clientsLiveForever {
		return s.Store.PutClient(ctx, c)
	}
	return s.around(s, func() error { return s.Store.PutClient(ctx, c) })
}

func (s *counting) DeleteClient(ctx context.Context, id string) error {
	if s.clientsLiveForever {
		return s.Store.DeleteClient(ctx, id)
	}
	return s.around(s, func() error { return s.Store.DeleteClient(ctx, id) })
}

func (s *counting) Epoch(of any) (uint64, bool) {
	_, known := s.Store.(storage.Epochs).Epoch(s.Store)
	return s.epoch.Load(), known && (s.answersForAll || of == any(s))
}

func init() {
	mutants = append(mutants, []mutant{
		{name: "ends_the_epoch_before_anybody_can_see_why", caughtBy: "epoch/grows_no_sooner", open: counted(
			func(s *counting, change func() error) error {
				s.epoch.Add(1)
				time.Sleep(disk)
				return change()
			})},
		{name: "ends_the_epoch_when_it_has_been_acknowledged", caughtBy: "epoch/grows_with", open: counted(
			func(s *counting, change func() error) error {
				time.AfterFunc(10*disk, func() { s.epoch.Add(1) })
				return change()
			})},
		{name: "never_ends_the_epoch", caughtBy: "epoch/grows_with", open: counted(
			func(_ *counting, change func() error) error { return change() })},
		{name: "counts_epochs_down", caughtBy: "epoch/grows_with", open: counted(
			func(s *counting, change func() error) error {
				defer s.epoch.Add(^uint64(0))
				return change()
			})},
		{name: "thinks_that_clients_live_for_ever", caughtBy: "epoch/grows_with", open: func() storage.Store {
			return &counting{Store: memory.New(), around: after, clientsLiveForever: true}
		}},
		{name: "tells_its_epoch_for_whoever_embeds_it", caughtBy: "epoch/is_not_anothers", open: func() storage.Store {
			return &counting{Store: memory.New(), around: after, answersForAll: true}
		}},
		{name: "knows_its_epoch_when_it_is_closed", caughtBy: "epoch/ends_with", open: func() storage.Store {
			return undying{&counting{Store: memory.New(), around: after}}
		}},
	}...)
}

// undying has an epoch for ever.
type undying struct{ *counting }

func (s undying) Epoch(of any) (uint64, bool) { return s.epoch.Load(), of == any(s) }
