// MCP is a notebook for language models: an MCP server on the official Go SDK, with the
// authorization server that guards it inside the same program. A client that knows nothing
// but its URL finds its way from the first 401: to the resource's metadata, to the server's,
// to a registration, to the user's consent, to the tools.
//
//	go run ./examples/mcp           # then add http://127.0.0.1:8080/mcp to an MCP client
//	go run ./examples/mcp -check    # the same, played by the SDK's own client
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/grantor-oauth/grantor/examples/mcp/notebook"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "where to listen")
	file := flag.String("db", "mcp.db", "where to keep clients, grants and keys")
	check := flag.Bool("check", false, "play a client, and stop")
	flag.Parse()
	if *check {
		if err := play(context.Background(), os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	db, err := bolt.Open(*file)
	if err != nil {
		log.Fatal(err)
	}
	app, err := notebook.New("http://"+*address, db, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("The notebook is at http://%s/mcp; sign in as anybody.\n", *address)
	server := &http.Server{Addr: *address, Handler: app, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
