package report

import (
	"encoding/json"
	"io"

	"github.com/grantor-oauth/grantor/conformance"
)

// format is the version of the JSON report. Members may be added to it; it changes when one
// changes its meaning or goes.
const format = 1

// document is the JSON report.
type document struct {
	Format int `json:"format"`
	*conformance.Report
	Counts conformance.Count `json:"counts"`
}

// JSON writes the report as a JSON object:
//
//	format       1; members may be added to this format, and none changes
//	issuer       the server's issuer identifier
//	name         what whoever ran the suite calls the server; may be missing
//	started      when, as RFC 3339 has it
//	duration_ns  how long it took
//	results      an array of objects, one for each case, in the order of the catalogue
//	counts       how many of them are passed, failed_must, failed_should, not_offered, not_tested
//
// and each result:
//
//	id, spec, section, level, request, want   what was asked, as the catalogue has it; level is
//	             MUST or SHOULD
//	status       passed, failed, not offered or not tested
//	problems     an array of texts, of one that failed
//	reason       why one that is not offered or not tested says nothing about the server
//	duration_ns  how long it took
//	exchanges    an array of objects with request and response, or error, as texts with the secrets
//	             replaced; of cases that failed, unless all were kept
//
// It can be read back into a conformance.Report.
func JSON(w io.Writer, r *conformance.Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(document{Format: format, Report: r, Counts: r.Count("")})
}
