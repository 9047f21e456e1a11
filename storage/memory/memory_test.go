package memory_test

import (
	"testing"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
	"github.com/grantor-oauth/grantor/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(testing.TB) storage.Store { return memory.New() },
	})
}
