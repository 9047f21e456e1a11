// Command boltcheck looks at every page and every record of a database file that nobody
// has open, a backup for example, and does not change it:
//
//	go run github.com/grantor-oauth/grantor/storage/bolt/boltcheck authz.db
//
// It says what the file holds and exits with 0, or says what is wrong with it, one line
// for each fault, and exits with 1.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: boltcheck FILE")
		os.Exit(2)
	}
	found, err := bolt.Check(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("sound: %d clients, %d grants, %d codes, %d tokens, %d consents\n",
		found.Clients, found.Grants, found.Codes, found.Tokens, found.Consents)
}
