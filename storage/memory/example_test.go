package memory_test

import (
	"context"
	"fmt"
	"log"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

func ExampleNew() {
	ctx := context.Background()
	store := memory.New()
	defer store.Close()

	if err := store.PutClient(ctx, storage.Client{ID: "app", Name: "Weather"}); err != nil {
		log.Fatal(err)
	}
	client, err := store.Client(ctx, "app")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Name)
	// Output: Weather
}
