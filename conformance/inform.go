package conformance

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
)

// addToForm adds a parameter to a form that is about to be sent; setInForm puts one in the place of
// those of its name, and takes them away if it is empty.
func addToForm(r *http.Request, name, value string) {
	changeForm(r, func(form url.Values) { form.Add(name, value) })
}

func setInForm(r *http.Request, name, value string) {
	changeForm(r, func(form url.Values) {
		if form.Set(name, value); value == "" {
			form.Del(name)
		}
	})
}

func changeForm(r *http.Request, change func(url.Values)) {
	body, _ := io.ReadAll(r.Body) // from memory
	form, _ := url.ParseQuery(string(body))
	change(form)
	text := []byte(form.Encode())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
}
