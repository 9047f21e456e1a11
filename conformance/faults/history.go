package faults

import (
	"math"
	"sync"
	"sync/atomic"
)

// Operation is one request and its answer, with the moments at which it was sent and at
// which the answer was there. Of one whose outcome is unknown, Return is the end of time:
// it may take effect at any later moment, or never.
type Operation struct {
	Client        int
	Input, Output any
	Call, Return  int64
}

// Unknown reports whether nobody knows what became of the operation.
func (o Operation) Unknown() bool { return o.Return == math.MaxInt64 }

// History is a record of operations that overlap. The moments are numbers that only grow,
// so that no two are the same and none depends on a clock.
type History struct {
	now atomic.Int64
	mu  sync.Mutex
	all []Operation
}

// Invoke notes that a client begins an operation. One of the two functions has to be called
// once it knows more: answered, or lost if it cannot tell what became of it. An operation
// that certainly had no effect may be left without either, and is then no part of the
// history.
func (h *History) Invoke(client int, input any) (answered func(output any), lost func()) {
	call := h.now.Add(1)
	end := func(output any, at int64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, Operation{client, input, output, call, at})
	}
	return func(output any) { end(output, h.now.Add(1)) }, func() { end(nil, math.MaxInt64) }
}

// Operations are those that have ended.
func (h *History) Operations() []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Operation(nil), h.all...)
}
