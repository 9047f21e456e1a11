//go:build race

package conformance_test

// raced tells that the race detector is on, under which everything takes many times as long.
const raced = true
