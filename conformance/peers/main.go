// Command peers runs other authorization server libraries, each as its documentation or
// its example program says, for conformance/cmd/load to measure beside Grantor. They are
// in a module of their own, so that nothing of them gets into Grantor's. So is the test of
// zitadel/oidc's relying party against Grantor. After a change to Grantor's go.mod, run
// go mod tidy here too.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

// What the load sends; the same as for Grantor.
const (
	redirectURI  = "https://client.example.com/callback"
	clientSecret = "gcs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge    = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	opaqueClient = "opaque"
	jwtClient    = "jwt"
)

var peers = map[string]func(address string) (http.Handler, error){
	"fosite-fast":   func(string) (http.Handler, error) { return newFosite(true) },
	"fosite-bcrypt": func(string) (http.Handler, error) { return newFosite(false) },
	"go-oauth2":     func(string) (http.Handler, error) { return newGoOAuth2() },
	"zitadel":       newZitadel,
}

func main() {
	name := flag.String("peer", "", "which one")
	flag.Parse()
	make, found := peers[*name]
	if !found {
		log.Fatalf("there is no peer %q", *name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	h, err := make(l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	go http.Serve(l, h)
	io.Copy(io.Discard, os.Stdin) // until whoever started this is done
}
