package handlers

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/grantor-oauth/grantor/authz"
)

// formPostView is what the page is given that sends the browser on to the client by POST
// (OAuth 2.0 Form Post Response Mode §2). It does so by itself; a browser without scripts
// shows its button.
type formPostView struct {
	Look       *look
	Style      template.CSS
	Script     template.JS
	Host       string
	Action     template.URL // matched with the registration, and http or https
	Parameters url.Values
}

func (e *endpoint) sendForm(w http.ResponseWriter, form *authz.FormPost) error {
	v := &formPostView{
		Look: e.pages.look, Style: e.pages.style, Script: e.pages.script,
		Host: hostOf(form.Action), Action: template.URL(form.Action), Parameters: form.Parameters,
	}
	return e.pages.writeWith(w, e.pages.cspForm, "form_post.html", http.StatusOK, v)
}
