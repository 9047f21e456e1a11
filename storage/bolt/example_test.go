package bolt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// A database is one file; what is written to it is there when it is opened again.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "authz.db")
	ctx := context.Background()

	db, err := bolt.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := db.PutClient(ctx, storage.Client{ID: "app", Name: "Weather"}); err != nil {
		log.Fatal(err)
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}

	db, err = bolt.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	client, err := db.Client(ctx, "app")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Name)
	// Output: Weather
}
