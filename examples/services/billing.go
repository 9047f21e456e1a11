package main

import (
	"errors"
	"net/http"

	"github.com/grantor-oauth/grantor/handlers/protect"
)

// newBilling knows prices, charges, and has ledger file the receipt.
func newBilling(a *api, ledgerURL string) {
	prices := map[string]int{"teapot": 2400, "tea": 350}

	a.handle("GET /rates", readRates, func(w http.ResponseWriter, _ *http.Request) { reply(w, prices, nil) })

	a.handleForUser("POST /payments", makePayments, func(w http.ResponseWriter, r *http.Request) {
		var o order
		if !read(w, r, &o) {
			return
		}
		// Who pays is who stands behind the token, whatever the order says.
		if o.Buyer != protect.TokenFrom(r.Context()).Subject {
			http.Error(w, "the order is somebody else's", http.StatusForbidden)
			return
		}
		var accounts []string
		err := a.callOwn(r.Context(), http.MethodGet, ledgerURL, "/accounts", readAccounts, nil, &accounts)
		if err == nil && len(accounts) == 0 {
			err = errors.New("no account is open")
		}
		var filed receipt
		if err == nil {
			err = a.callFor(r, http.MethodPost, ledgerURL, "/receipts", fileReceipts, receipt{Order: o.ID, Account: accounts[0], Cents: o.Cents}, &filed)
		}
		reply(w, filed, err)
	})
}
