package main

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/grantor-oauth/grantor/handlers/protect"
)

// order is what a user has bought.
type order struct {
	ID      int    `json:"id"`
	Item    string `json:"item"`
	Buyer   string `json:"buyer"`
	Cents   int    `json:"cents"`
	Receipt int    `json:"receipt,omitempty"`
}

// newOrders takes orders, and has billing charge for them.
func newOrders(a *api, billingURL string) {
	var mu sync.Mutex
	var all []order

	a.handleForUser("POST /orders", placeOrders, func(w http.ResponseWriter, r *http.Request) {
		var o order
		if !read(w, r, &o) {
			return
		}
		var rates map[string]int
		if err := a.callOwn(r.Context(), http.MethodGet, billingURL, "/rates", readRates, nil, &rates); err != nil {
			reply(w, nil, err)
			return
		}
		price, sold := rates[o.Item]
		if !sold {
			http.Error(w, "there is no such thing here", http.StatusNotFound)
			return
		}
		mu.Lock()
		o = order{ID: len(all) + 1, Item: o.Item, Buyer: protect.TokenFrom(r.Context()).Subject, Cents: price}
		all = append(all, o)
		mu.Unlock()
		// Of what the user allowed the shop, billing needs to pay and to file the receipt, and
		// not to place orders.
		var paid receipt
		err := a.callFor(r, http.MethodPost, billingURL, "/payments", makePayments+" "+fileReceipts, o, &paid)
		o.Receipt = paid.ID
		reply(w, o, err)
	})

	a.handle("GET /orders/{id}", auditOrders, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || id < 1 || id > len(all) {
			http.NotFound(w, r)
			return
		}
		reply(w, all[id-1], nil)
	})
}
