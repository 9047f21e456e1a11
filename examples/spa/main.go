// SPA is a page of plain JavaScript that is an OAuth client by itself, on an origin of its
// own: no build, no library, no server behind it. Its tokens are bound to a key that no
// script can read (DPoP, with a non-extractable key of WebCrypto).
//
//	go run ./examples/spa           # then open http://127.0.0.1:8081/
//	go run ./examples/spa -check    # what the page does, played over HTTP
//
// page/oauth.js is the client; take it along.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

func main() {
	host := flag.String("host", "127.0.0.1:8080", "where the application with the API listens")
	page := flag.String("page", "127.0.0.1:8081", "where the page is served")
	file := flag.String("db", "spa.db", "where to keep grants and keys")
	check := flag.Bool("check", false, "play the page, and stop")
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
	hostURL, pageURL := "http://"+*host, "http://"+*page
	app, err := newHost(hostURL, pageURL, db)
	if err != nil {
		log.Fatal(err)
	}
	serve := func(address string, h http.Handler) {
		server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 5 * time.Second}
		log.Fatal(server.ListenAndServe())
	}
	go serve(*page, newPage(hostURL))
	fmt.Printf("Open %s/ and connect; sign in as anybody.\n", pageURL)
	serve(*host, app)
}
