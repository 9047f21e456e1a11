package main

import "testing"

func TestCheck(t *testing.T) {
	if err := play(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
}
