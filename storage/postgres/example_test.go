package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

// Each replica opens the same database.
func ExampleOpen() {
	ctx := context.Background()
	db, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	if err := db.PutClient(ctx, storage.Client{ID: "app", Name: "Weather"}); err != nil {
		log.Fatal(err)
	}
	client, err := db.Client(ctx, "app")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Name)
}

// A deployment that migrates with one role and serves with another.
func ExampleMigrate() {
	ctx := context.Background()
	if err := postgres.Migrate(ctx, os.Getenv("OWNER_URL")); err != nil {
		log.Fatal(err)
	}
	db, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"), postgres.Options{SkipMigrations: true})
	if errors.Is(err, postgres.ErrNotMigrated) {
		log.Fatal("deploy the migration first: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
}
