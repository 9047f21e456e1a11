// Custom-storage is an authorization server on a storage backend that is not part of
// Grantor: package sqlite beside it, which keeps everything in one SQLite file.
//
//	go run ./examples/custom-storage          # serves, and prints what to try
//	go run ./examples/custom-storage -check   # tries it by itself, with a file of its own
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
)

// robotSecret is known to everybody. A real client gets one from authz.NewSecret.
const robotSecret = "only-for-this-demonstration"

func main() {
	file := flag.String("db", "custom-storage.db", "the file to keep everything in")
	address := flag.String("listen", "127.0.0.1:8080", "the address to serve on")
	checking := flag.Bool("check", false, "try it without curl, and exit")
	flag.Parse()
	if *checking {
		if err := check(os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	s, err := start(*file, *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf(`Everything is kept in %[1]s. Get a token, and ask about it:

  curl -u robot:%[3]s -d grant_type=client_credentials http://%[2]s/oauth2/token
  curl -u robot:%[3]s -d token=… http://%[2]s/oauth2/introspect

Stop with Ctrl-C, start again, and ask again: the token is still good.
`, *file, s.address, robotSecret)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	<-interrupted
	if err := s.stop(); err != nil {
		log.Fatal(err)
	}
}
