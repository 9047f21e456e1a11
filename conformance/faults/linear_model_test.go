package faults_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"
	. "github.com/grantor-oauth/grantor/conformance/faults"
)

// The model of a store: what one user's grants, codes and tokens are, and what each Write
// does to them when everything happens one after the other.

// mark is what is known of a record.
type mark uint8

const (
	exists mark = 1 << iota
	used
	revoked
)

// A user has a few grants, each with one code and a chain of refresh tokens.
const (
	slots = 4
	chain = 6
)

// account is the state of one user.
type account struct {
	grants, codes [slots]mark
	tokens        [slots][chain]mark
	ended         int64 // the latest At of a revocation by subject
}

// action is an operation on a store. user is its partition: no operation sees or changes
// more than one user.
type action struct {
	user  int
	kind  string
	grant int
	token int
	at    int64 // Write.At
	since int64 // Unended.Since
}

// The answers of a store to a Write; those to a read are marks.
const (
	done     = "ok"
	notFound = "not found"
	already  = "exists"
	consumed = "consumed"
	ended    = "revoked"
)

// apply is what a store does: the new state and the answer.
func (s account) apply(a action) (account, any) {
	g := a.grant
	live := func() string {
		switch {
		case s.grants[g]&exists == 0:
			return notFound
		case s.grants[g]&revoked != 0:
			return ended
		}
		return ""
	}
	switch a.kind {
	case "read code":
		return s, s.codes[g]
	case "read token":
		return s, s.tokens[g][a.token]
	case "read grant":
		return s, s.grants[g]
	case "authorize":
		switch {
		case s.ended > a.since:
			return s, ended
		case s.codes[g]&exists != 0, s.grants[g]&exists != 0:
			return s, already
		}
		s.grants[g], s.codes[g] = exists, exists
	case "redeem":
		switch {
		case s.codes[g]&exists == 0:
			return s, notFound
		case s.codes[g]&used != 0:
			return s, consumed
		}
		if fact := live(); fact != "" {
			return s, fact
		}
		if s.tokens[g][0]&exists != 0 { // the mark of a revocation
			return s, already
		}
		s.codes[g] |= used
		s.tokens[g][0] = exists
	case "refresh":
		old, next := &s.tokens[g][a.token], &s.tokens[g][a.token+1]
		switch {
		case *old&exists == 0:
			return s, notFound
		case *old&revoked != 0:
			return s, ended
		case *old&used != 0:
			return s, consumed
		}
		if fact := live(); fact != "" {
			return s, fact
		}
		if *next&exists != 0 {
			return s, already
		}
		*old |= used
		*next = exists
	case "revoke grant":
		if s.grants[g]&exists != 0 {
			s.grants[g] |= revoked
		}
	case "revoke token":
		s.tokens[g][a.token] |= exists | revoked // where there is none, a mark is left
	case "revoke user":
		for i := range s.grants {
			if s.grants[i]&exists != 0 {
				s.grants[i] |= revoked
			}
		}
		s.ended = max(s.ended, a.at)
	default:
		panic("no such action: " + a.kind)
	}
	return s, done
}

// storeModel is the model as porcupine takes it.
var storeModel = porcupine.Model{
	Partition: byPart(func(input any) int { return input.(action).user }),
	Init:      func() any { return account{} },
	Step: func(state, input, output any) (bool, any) {
		next, want := state.(account).apply(input.(action))
		return output == nil || output == want, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %v", input, output) },
}

// byPart splits a history into those that cannot disturb each other.
func byPart(part func(input any) int) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(all []porcupine.Operation) (parts [][]porcupine.Operation) {
		index := map[int]int{}
		for _, o := range all {
			p := part(o.Input)
			if _, found := index[p]; !found {
				index[p] = len(parts)
				parts = append(parts, nil)
			}
			parts[index[p]] = append(parts[index[p]], o)
		}
		return parts
	}
}

// operations is a history in porcupine's words.
func operations(h *History) (list []porcupine.Operation) {
	for _, o := range h.Operations() {
		list = append(list, porcupine.Operation{ClientId: o.Client, Input: o.Input, Call: o.Call, Output: o.Output, Return: o.Return})
	}
	return list
}
