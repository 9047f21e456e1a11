package conformance

import (
	"slices"
	"time"
)

// Status is what came of a case.
type Status string

const (
	Passed Status = "passed"
	Failed Status = "failed"

	// NotOffered is a case about something that the server says it does not have.
	NotOffered Status = "not offered"

	// NotTested is a case that needs more of the target than the suite was given: the reason
	// says what.
	NotTested Status = "not tested"
)

// Report is what came of a run.
type Report struct {
	Issuer   string        `json:"issuer"`
	Name     string        `json:"name,omitempty"` // what whoever ran it calls the server
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Results  []Result      `json:"results"`
}

// Result is what came of one case.
type Result struct {
	ID      string `json:"id"`
	Spec    string `json:"spec"`
	Section string `json:"section"`
	Level   Level  `json:"level"`
	Request string `json:"request"`
	Want    string `json:"want"`

	Status Status `json:"status"`

	// Problems are what was wrong, for a case that failed; Reason says why another one says
	// nothing about the server.
	Problems []string `json:"problems,omitempty"`
	Reason   string   `json:"reason,omitempty"`

	Duration time.Duration `json:"duration_ns"`

	// Varies says that what is answered depends on who of several comes first, so that two runs
	// need not have the same exchanges.
	Varies bool `json:"-"`

	// Exchanges are what went over the wire, of cases that failed, or of all if Options.KeepAll is
	// set. Secrets are replaced by names, the same one for the same secret.
	Exchanges []Exchange `json:"exchanges,omitempty"`
}

// Exchange is one request and its answer, as text, secrets replaced. Error has what kept an
// answer from coming.
type Exchange struct {
	Request  string `json:"request"`
	Response string `json:"response,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Count is how many results there are of each status. Of those that failed it tells the ones
// that a specification demands from those that it recommends.
type Count struct {
	Passed       int `json:"passed"`
	FailedMust   int `json:"failed_must"`
	FailedShould int `json:"failed_should"`
	NotOffered   int `json:"not_offered"`
	NotTested    int `json:"not_tested"`
}

// Specs are the specifications that the results are about, in their order.
func (r *Report) Specs() []string {
	var all []string
	for _, one := range r.Results {
		if !slices.Contains(all, one.Spec) {
			all = append(all, one.Spec)
		}
	}
	return all
}

// Count counts the results, all of them or those of one specification.
func (r *Report) Count(spec string) Count {
	var n Count
	for _, one := range r.Results {
		switch {
		case spec != "" && spec != one.Spec:
		case one.Status == Passed:
			n.Passed++
		case one.Status == Failed && one.Level == Must:
			n.FailedMust++
		case one.Status == Failed:
			n.FailedShould++
		case one.Status == NotOffered:
			n.NotOffered++
		default:
			n.NotTested++
		}
	}
	return n
}
