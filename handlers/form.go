package handlers

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/grantor-oauth/grantor/authz"
)

// The one encoding that OAuth requests come in is application/x-www-form-urlencoded
// (RFC 6749 §3.1, §3.2, Appendix B). It is read here and not by http.Request.ParseForm,
// which mixes query and body, takes multipart and spools it to disk. Values are handed
// on as they came, repeated ones too: authz judges them, because only it knows whether
// the refusal can go back to the client.

const (
	maxBody       = 64 << 10 // of a body, and of a query
	maxParameters = 200
)

// bodyParameters are the parameters of a POST. A query next to a body is refused
// rather than ignored: what clients put there is mostly credentials, which must not be
// in a URL (RFC 6749 §2.3.1), and they had better hear of it than go on.
func (e *endpoint) bodyParameters(w http.ResponseWriter, r *http.Request) (url.Values, *authz.Error) {
	if r.URL.RawQuery != "" {
		return nil, e.refuse(r, http.StatusBadRequest, "query_not_allowed", "Parameters belong in the request body, not in the URL.")
	}
	if !formEncoded(r.Header) {
		// 400 and not 415: RFC 6749 §5.2.
		return nil, e.refuse(r, http.StatusBadRequest, "content_type_not_form", "The Content-Type must be application/x-www-form-urlencoded, in UTF-8.")
	}
	body, err := readBody(w, r)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, e.refuse(r, http.StatusRequestEntityTooLarge, "body_too_large", "The request body is too large.")
		}
		return nil, e.refuse(r, http.StatusBadRequest, "body_unreadable", "The request body could not be read.")
	}
	return e.decode(r, body)
}

// readBody reads a body that is not too large, at once where it says how long it is.
func readBody(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		return string(body), err
	}
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	body := slices.Grow(*room, int(r.ContentLength))[:r.ContentLength] // the server lets no more through than that
	defer clear(body)                                                  // credentials, mostly
	_, err := io.ReadFull(r.Body, body)
	return string(body), err
}

// rooms are to read bodies into that are not too large, for as long as it takes to make a
// string of them.
var rooms = sync.Pool{New: func() any { room := make([]byte, 0, 1<<10); return &room }}

// clientRequest is a request to an endpoint that clients call directly.
func (e *endpoint) clientRequest(w http.ResponseWriter, r *http.Request) (*authz.Request, error) {
	params, refused := e.bodyParameters(w, r)
	if refused != nil {
		return nil, refused
	}
	authorization := r.Header.Values("Authorization")
	if len(authorization) > 1 { // RFC 6749 §2.3: one method a request
		return nil, e.refuse(r, http.StatusBadRequest, "authorization_repeated", "The Authorization header was included more than once.")
	}
	request := &authz.Request{
		Parameters: params, Authorization: strings.Join(authorization, ""),
		DPoP: r.Header["Dpop"], Address: e.address(r),
	}
	if refused := e.setCertificate(request, r); refused != nil {
		return nil, refused
	}
	return request, nil
}

// queryParameters are the parameters of a GET.
func (e *endpoint) queryParameters(r *http.Request) (url.Values, *authz.Error) {
	if len(r.URL.RawQuery) > maxBody {
		return nil, e.refuse(r, http.StatusBadRequest, "query_too_long", "The request is too long.")
	}
	return e.decode(r, r.URL.RawQuery)
}

func (e *endpoint) decode(r *http.Request, encoded string) (url.Values, *authz.Error) {
	params, err := parseForm(encoded)
	switch {
	case errors.Is(err, errTooMany):
		return nil, e.refuse(r, http.StatusBadRequest, "too_many_parameters", "The request has too many parameters.")
	case err != nil:
		return nil, e.refuse(r, http.StatusBadRequest, "form_malformed", "The request parameters are not correctly encoded.")
	}
	return params, nil
}

// formEncoded reports whether a request says that its body is a form, in UTF-8
// (RFC 6749 Appendix B), and as it is.
func formEncoded(h http.Header) bool {
	types := h.Values("Content-Type")
	if len(types) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	const form = "application/x-www-form-urlencoded"
	if types[0] == form {
		return true // as nearly always
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil || mediaType != form {
		return false
	}
	for name, value := range params {
		if name == "charset" && !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

var (
	errTooMany   = errors.New("too many parameters")
	errMalformed = errors.New("malformed form encoding")
)

// parseForm decodes a form. It refuses what decoders read in different ways: broken
// escapes, and the semicolon, which some take for a separator.
func parseForm(encoded string) (url.Values, error) {
	few := min(1+strings.Count(encoded, "&"), 16)
	params, room := make(url.Values, few), make([]string, few)
	count := 0
	for encoded != "" {
		var pair string
		pair, encoded, _ = strings.Cut(encoded, "&")
		if pair == "" {
			continue
		}
		if count++; count > maxParameters {
			return nil, errTooMany
		}
		if strings.Contains(pair, ";") {
			return nil, errMalformed
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, errMalformed
		}
		if values, repeated := params[name]; repeated {
			params[name] = append(values, value)
			continue
		}
		if len(room) == 0 {
			room = make([]string, 16)
		}
		room[0] = value
		params[name], room = room[:1:1], room[1:] // a slice of its own, and no allocation
	}
	return params, nil
}
