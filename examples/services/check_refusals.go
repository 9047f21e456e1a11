package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// get calls an API with a token.
func (c *checker) get(token, address string) error {
	var ignored any
	return call(c.ctx, token, http.MethodGet, address, nil, &ignored)
}

// post is the same for what changes something.
func (c *checker) post(token, address string, in any) error {
	var ignored any
	return call(c.ctx, token, http.MethodPost, address, in, &ignored)
}

// wrongAudience: RFC 8707 §2, RFC 9068 §4.
func (c *checker) wrongAudience() (err error) {
	if c.user, err = c.tokenOf(); err != nil {
		return err
	}
	if c.payment, err = c.orders.tokens.onBehalf(c.ctx, c.user, c.urls.billing, makePayments+" "+fileReceipts); err != nil {
		return err
	}
	own, err := c.orders.tokens.own(c.ctx, c.urls.billing, readRates)
	if err != nil {
		return err
	}
	filed := receipt{Order: 1, Account: "sales", Cents: 2400}
	return errors.Join(
		c.get(own, c.urls.billing+"/rates"), // is good where it is meant for
		barred(c.get(own, c.urls.ledger+"/accounts"), http.StatusUnauthorized, `error="invalid_token"`),
		barred(c.post(c.payment, c.urls.ledger+"/receipts", filed), http.StatusUnauthorized, `error="invalid_token"`), // although it has the scope
		barred(c.post(c.payment, c.urls.orders+"/orders", order{Item: "tea"}), http.StatusUnauthorized, `error="invalid_token"`),
		barred(c.post(c.user, c.urls.billing+"/payments", order{ID: 1, Buyer: "user:ana"}), http.StatusUnauthorized, `error="invalid_token"`),
		barred(c.get("no-token", c.urls.ledger+"/accounts"), http.StatusUnauthorized, `error="invalid_token"`),
	)
}

func (c *checker) tooNarrow() error {
	own, err := c.orders.tokens.own(c.ctx, c.urls.billing, readRates)
	if err != nil {
		return err
	}
	return errors.Join(
		barred(c.post(own, c.urls.billing+"/payments", order{ID: 1, Buyer: "orders"}), http.StatusForbidden, `scope="payments:write"`),
		barred(c.get(c.payment, c.urls.billing+"/rates"), http.StatusForbidden, `scope="rates:read"`), // of the user's there is none that it goes by
	)
}

// ownAccount: orders is registered for makePayments, to pass it on, and so gets it for itself.
func (c *checker) ownAccount() error {
	own, err := c.orders.tokens.own(c.ctx, c.urls.billing, makePayments)
	if err != nil {
		return err
	}
	return barred(c.post(own, c.urls.billing+"/payments", order{ID: 1, Buyer: "orders"}), http.StatusForbidden, "for users alone")
}

func (c *checker) scopes() error {
	_, err := c.orders.tokens.onBehalf(c.ctx, c.user, c.urls.billing, readAccounts)
	if err := c.refused(err, "invalid_scope", "scope_not_allowed"); err != nil {
		return err
	}
	_, err = c.orders.tokens.onBehalf(c.ctx, c.user, c.urls.billing, readRates) // which it has, and the user's token has not
	if err := c.refused(err, "invalid_scope", "scope_not_in_subject_token"); err != nil {
		return err
	}
	partly, err := c.tokenOf(placeOrders, makePayments) // ana unticks fileReceipts
	if err != nil {
		return err
	}
	_, err = c.orders.tokens.onBehalf(c.ctx, partly, c.urls.billing, makePayments+" "+fileReceipts)
	return c.refused(err, "invalid_scope", "scope_not_in_subject_token")
}

func (c *checker) target() error {
	_, err := c.orders.tokens.onBehalf(c.ctx, c.user, c.urls.ledger, fileReceipts)
	if err := c.refused(err, "invalid_target", "resource_unknown"); err != nil {
		return err
	}
	_, err = c.orders.tokens.own(c.ctx, c.urls.ledger, fileReceipts)
	return c.refused(err, "invalid_target", "resource_unknown")
}

func (c *checker) found() error {
	_, err := c.billing.tokens.onBehalf(c.ctx, c.user, c.urls.ledger, fileReceipts)
	return c.refused(err, "invalid_request", "subject_token_of_another_service")
}

func (c *checker) actor() error {
	form := exchangeForm(c.user, "", c.urls.billing, makePayments)
	form.Del("actor_token")
	form.Del("actor_token_type")
	_, err := c.orders.tokens.ask(c.ctx, form)
	if err := c.refused(err, "invalid_request", "actor_token_missing"); err != nil {
		return err
	}
	other, err := c.billing.tokens.own(c.ctx, c.urls.issuer, mayAct)
	if err != nil {
		return err
	}
	_, err = c.orders.tokens.ask(c.ctx, exchangeForm(c.user, other, c.urls.billing, makePayments))
	if err := c.refused(err, "invalid_request", "actor_is_another"); err != nil {
		return err
	}
	// Nor by a token that it shows to others, who could use it so.
	shown, err := c.orders.tokens.own(c.ctx, c.urls.billing, readRates)
	if err != nil {
		return err
	}
	_, err = c.orders.tokens.ask(c.ctx, exchangeForm(c.user, shown, c.urls.billing, makePayments))
	return c.refused(err, "invalid_request", "actor_is_another")
}

// assertion: RFC 7523 §3.
func (c *checker) assertion() error {
	form := func() url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "resource": {c.urls.billing}, "scope": {readRates}}
	}
	orders := c.orders.tokens
	once, err := orders.next()
	if err != nil {
		return err
	}
	if _, err := orders.askWith(c.ctx, once, form()); err != nil {
		return err
	}
	_, err = orders.askWith(c.ctx, once, form())
	if err := c.refused(err, "invalid_client", "assertion_replayed"); err != nil {
		return err
	}
	elsewhere := *orders.assertions
	elsewhere.audience = "https://elsewhere.example"
	forger, err := newAssertions("orders", c.urls.issuer) // with a key of its own
	if err != nil {
		return err
	}
	for reason, by := range map[string]*assertions{"assertion_audience_wrong": &elsewhere, "assertion_signature_invalid": forger} {
		assertion, err := by.next()
		if err != nil {
			return err
		}
		_, err = orders.askWith(c.ctx, assertion, form())
		if err := c.refused(err, "invalid_client", reason); err != nil {
			return err
		}
	}
	return nil
}

// disconnect: what was exchanged hangs on the user's grant.
func (c *checker) disconnect() error {
	if _, err := c.billing.tokens.onBehalf(c.ctx, c.payment, c.urls.ledger, fileReceipts); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := c.as.Disconnect(c.ctx, "user:ana", "shop"); err != nil {
		return err
	}
	_, err := c.billing.tokens.onBehalf(c.ctx, c.payment, c.urls.ledger, fileReceipts)
	if err := c.refused(err, "invalid_request", "subject_token_invalid"); err != nil {
		return err
	}
	_, err = c.orders.tokens.onBehalf(c.ctx, c.user, c.urls.billing, makePayments)
	return c.refused(err, "invalid_request", "subject_token_invalid")
}
