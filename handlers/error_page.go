package handlers

import (
	"html/template"
	"log/slog"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// What people are told when there is no safe way back to the client: RFC 6749 §4.1.2.1.

// ErrorPage is what the error page shows. All of it is constant text of this module;
// nothing in it comes from the request.
type ErrorPage struct {
	Status int
	Code   string // the error code of RFC 6749 §4.1.2.1

	// Title and Message are for everybody; Detail, which may be empty, is for whoever
	// made the client.
	Title   string
	Message string
	Detail  string
}

// errorView is what the built-in template is given.
type errorView struct {
	*ErrorPage
	Look  *look
	Style template.CSS
}

// showError shows the error page (RFC 6749 §4.1.2.1: inform the resource owner).
func (e *endpoint) showError(w http.ResponseWriter, r *http.Request, refused *authz.Error) {
	setRetryAfter(w.Header(), refused)
	page := &ErrorPage{Status: refused.Status, Code: refused.Code, Detail: refused.Description}
	if refused.Status >= 500 && refused.Reason != documentUnreachable {
		page.Detail = "" // nothing that the client's makers could mend
	}
	page.Title, page.Message = inPlainWords(refused)
	if e.errorPage != nil && refused.Reason != panicked { // it may be what panicked
		rw := &defaultStatus{ResponseWriter: w, status: refused.Status}
		e.errorPage(rw, r, page)
		return
	}
	if err := e.pages.write(w, "error.html", refused.Status, &errorView{page, e.pages.look, e.pages.style}); err != nil {
		e.log.LogAttrs(r.Context(), slog.LevelError, "the error page cannot be made", slog.String("cause", err.Error()))
		http.Error(w, page.Title, refused.Status)
	}
}

// defaultStatus answers with the error's status if the host's page names none.
type defaultStatus struct {
	http.ResponseWriter
	status int
	set    bool
}

func (w *defaultStatus) WriteHeader(status int) {
	w.set = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *defaultStatus) Write(b []byte) (int, error) {
	if !w.set {
		w.WriteHeader(w.status)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *defaultStatus) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// documentUnreachable is the reason where it is the client's own server that fails.
const documentUnreachable = "client_document_unreachable"

// inPlainWords says what happened to somebody who has never heard of OAuth, and what
// to do now.
func inPlainWords(refused *authz.Error) (title, message string) {
	switch {
	case refused.Reason == documentUnreachable:
		return "We cannot find out about this application", "It says who it is on a web page of its own, which we could not read just now. Nothing was shared with it. Wait a little, then go back to the application and try again."
	case refused.Status == http.StatusServiceUnavailable:
		return "We cannot do this right now", "Our server is not able to answer at the moment. Nothing is wrong on your side. Wait a little, then go back to the application and try again."
	case refused.Status >= 500:
		return "Something went wrong on our side", "This has been recorded. Nothing was shared with the application. Go back to it and try again."
	case refused.Status == http.StatusTooManyRequests:
		return "Too many attempts", "For your safety, there is a pause now. Wait a few minutes, check what you typed, and try again."
	case refused.Reason == "interaction_answered":
		return "You have answered this already", "Each request can be answered once. If you want to change your answer, go back to the application and start again."
	case refused.Reason == "interaction_expired":
		return "This page was open for too long", "For your safety, requests end after a while. Go back to the application and start again."
	case refused.Status == http.StatusForbidden:
		return "This page is not valid any more", "It may have been opened in another browser or tab, or come from another site. Nothing was shared. Go back to the application and start again."
	case refused.Status == http.StatusMethodNotAllowed:
		return "This page cannot be opened by itself", "It belongs to a request by an application. Go back to the application and start again."
	}
	return "This request cannot be completed", "The application that sent you here made a request that we do not accept. Nothing was shared with it, and there is nothing you need to do. Whoever makes that application will want to see the details below."
}
