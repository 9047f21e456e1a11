package main

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/grantor-oauth/grantor/handlers/protect"
)

// receipt is what ledger files.
type receipt struct {
	ID      int    `json:"id"`
	Order   int    `json:"order"`
	Account string `json:"account"`
	Cents   int    `json:"cents"`
}

// newLedger keeps the books. It looks each order up before it files a receipt for it.
func newLedger(a *api, ordersURL string) {
	var mu sync.Mutex
	var filed []receipt

	a.handle("GET /accounts", readAccounts, func(w http.ResponseWriter, _ *http.Request) { reply(w, []string{"sales"}, nil) })

	a.handleForUser("POST /receipts", fileReceipts, func(w http.ResponseWriter, r *http.Request) {
		var asked receipt
		if !read(w, r, &asked) {
			return
		}
		var o order
		if err := a.callOwn(r.Context(), http.MethodGet, ordersURL, fmt.Sprintf("/orders/%d", asked.Order), auditOrders, nil, &o); err != nil {
			reply(w, nil, err)
			return
		}
		if o.Buyer != protect.TokenFrom(r.Context()).Subject || o.Cents != asked.Cents {
			http.Error(w, "the receipt does not go with the order", http.StatusForbidden)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		asked.ID = len(filed) + 1
		filed = append(filed, asked)
		reply(w, asked, nil)
	})
}
