package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

// serve publishes what the suite publishes, until it is stopped.
func (r *remote) serve(stderr io.Writer) (_ *conformance.Documents, stop func(), err error) {
	origin, err := url.Parse(r.documents)
	if err != nil || origin.Scheme != "https" || origin.Host == "" || origin.Path != "" && origin.Path != "/" || origin.RawQuery != "" {
		return nil, nil, fmt.Errorf("-documents %s: it is no https origin, such as https://suite.example.com", r.documents)
	}
	if (r.certificateFile == "") != (r.keyFile == "") {
		return nil, nil, errors.New("-documents-cert and -documents-key go together")
	}
	listener, err := net.Listen("tcp", r.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("-documents-listen: %w", err)
	}
	documents := conformance.NewDocuments(r.documents)
	server := &http.Server{Handler: documents, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, ErrorLog: log.New(stderr, "documents: ", 0)}
	if r.certificateFile == "" {
		go func() { _ = server.Serve(listener) }() // ends with Close
	} else {
		if _, err := certificate(r.certificateFile, r.keyFile); err != nil {
			listener.Close()
			return nil, nil, err
		}
		go func() { _ = server.ServeTLS(listener, r.certificateFile, r.keyFile) }()
	}
	return documents, func() { _ = server.Close() }, nil
}
