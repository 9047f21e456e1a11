package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/conformance"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Hostname  string      `xml:"hostname,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as the XML that CI systems read: a suite for each specification, in
// it a test for each case. A case that says nothing about the server is skipped, and says why. A
// failure has the case's level as its type.
func JUnit(w io.Writer, r *conformance.Report) error {
	all := junitSuites{Name: title(r), Time: seconds(r.Duration)}
	for _, spec := range r.Specs() {
		suite := junitSuite{Name: line(spec), Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: line(r.Issuer)}
		var took time.Duration
		for i := range r.Results {
			one := &r.Results[i]
			if one.Spec != spec {
				continue
			}
			c := junitCase{Class: title(r) + "." + strings.ReplaceAll(line(spec), " ", ""), Name: line(one.ID), Time: seconds(one.Duration)}
			switch one.Status {
			case conformance.Passed:
			case conformance.Failed:
				c.Failure = &junitMessage{Message: line(strings.Join(one.Problems, "; ")), Type: string(one.Level), Text: account(one)}
				suite.Failures++
			default:
				c.Skipped = &junitMessage{Message: line(fmt.Sprintf("%s: %s", one.Status, one.Reason))}
				suite.Skipped++
			}
			took += one.Duration
			suite.Cases = append(suite.Cases, c)
		}
		suite.Tests, suite.Time = len(suite.Cases), seconds(took)
		all.Tests, all.Failures, all.Skipped = all.Tests+suite.Tests, all.Failures+suite.Failures, all.Skipped+suite.Skipped
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// account is all that is known of a failure.
func account(one *conformance.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s §%s, %s\nrequest: %s\nwant: %s\n", one.Spec, one.Section, one.Level, one.Request, one.Want)
	for _, problem := range one.Problems {
		fmt.Fprintf(&b, "got: %s\n", problem)
	}
	for i, x := range one.Exchanges {
		fmt.Fprintf(&b, "\n--- %d\n%s\n\n%s%s\n", i+1, x.Request, x.Response, x.Error)
	}
	return plain(b.String())
}
