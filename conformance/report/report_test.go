package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/report"
)

// hostile is what a server could answer to whoever reads about it.
const hostile = "</pre></td><script>alert(1)</script>\"'><img src=x onerror=alert(1)> ]]> &amp; \x1b[2J\x1b]0;x\x07 \x00 \x08 \u202egnp.exe \u2028 \ufffe \xff {{.}} done"

func sample(text string) *conformance.Report {
	one := func(id, spec string, level conformance.Level, status conformance.Status) conformance.Result {
		return conformance.Result{ID: id, Spec: spec, Section: "4.6", Level: level, Request: "a request", Want: "an answer", Status: status, Duration: 1500 * time.Microsecond}
	}
	r := &conformance.Report{Issuer: "https://auth.example/" + text, Name: "a server " + text, Started: time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC), Duration: 2 * time.Second}
	failed := one("pkce-wrong", "RFC 7636", conformance.Must, conformance.Failed)
	failed.Problems = []string{"POST /token: " + text, "a second\nof two lines"}
	failed.Exchanges = []conformance.Exchange{
		{Request: "POST /token HTTP/1.1\nHost: auth.example\n\ncode=[code 1]" + text, Response: "200 OK\nX: " + text + "\n\n" + text},
		{Request: "GET /" + text + " HTTP/1.1", Error: text},
		{Error: "3 more exchanges"},
	}
	recommended := one("iss-missing", "RFC 9207", conformance.Should, conformance.Failed)
	recommended.Problems = []string{"nothing"}
	absent, untried := one("device-grant", "RFC 8628", conformance.Must, conformance.NotOffered), one("two-users", "RFC 9700", conformance.Must, conformance.NotTested)
	absent.Reason, untried.Reason = "the metadata has no "+text, "it takes 2 users "+text
	r.Results = []conformance.Result{one("pkce-right", "RFC 7636", conformance.Must, conformance.Passed), failed, recommended, absent, untried}
	return r
}

func written(t *testing.T, write func(io.Writer, *conformance.Report) error, r *conformance.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	const want = `a server x
https://auth.example/x

specification  passed  failed MUST  failed SHOULD  not offered  not tested
RFC 7636            1            1              0            0           0
RFC 9207            0            0              1            0           0
RFC 8628            0            0              0            1           0
RFC 9700            0            0              0            0           1
all                 1            1              1            1           1

FAILED pkce-wrong: RFC 7636 §4.6, MUST
  request  a request
  want     an answer
  got      POST /token: x
  got      a second
           of two lines

FAILED iss-missing: RFC 9207 §4.6, SHOULD
  request  a request
  want     an answer
  got      nothing

not tested:
  it takes 2 users x
    two-users
`
	if got := written(t, report.Table, sample("x")); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Whatever a server answers does nothing to whoever reads the report, in any form.
func TestHostileServer(t *testing.T) {
	acts := regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufffe]")
	for name, write := range map[string]func(io.Writer, *conformance.Report) error{"table": report.Table, "junit": report.JUnit, "html": report.HTML} {
		got := written(t, write, sample(hostile))
		if found := acts.FindString(got); found != "" {
			t.Errorf("%s: the report has the character %q", name, found)
		}
		if !strings.Contains(got, `\u001b[2J`) || !strings.Contains(got, `\u202e`) {
			t.Errorf("%s: what the server sent is not to be seen", name)
		}
	}
	root, err := html.Parse(strings.NewReader(written(t, report.HTML, sample(hostile))))
	if err != nil {
		t.Fatal(err)
	}
	plain := shape(t, mustParse(t, written(t, report.HTML, sample("x"))))
	if got := shape(t, root); got != plain {
		t.Errorf("the server's answers change the page's elements:\n%s\nwithout them:\n%s", got, plain)
	}
}

func mustParse(t *testing.T, page string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// shape is the elements of a page and the names of their attributes.
func shape(t *testing.T, n *html.Node) string {
	var b strings.Builder
	for one := range n.Descendants() {
		if one.Type != html.ElementNode {
			continue
		}
		b.WriteString(one.Data)
		for _, a := range one.Attr {
			b.WriteString(" " + a.Key)
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "https://www.rfc-editor.org/rfc/") {
				t.Errorf("the page has %s=%q", a.Key, a.Val)
			}
		}
		b.WriteString("\n")
		if one.Data == "script" || one.Data == "img" || one.Data == "link" {
			t.Errorf("the page has a %s element", one.Data)
		}
	}
	return b.String()
}

func TestHTML(t *testing.T) {
	got := written(t, report.HTML, sample("&"))
	for _, want := range []string{
		"<title>Conformance: a server &amp;</title>", "prefers-color-scheme: dark",
		`<a href="https://www.rfc-editor.org/rfc/rfc7636#section-4.6" rel="noreferrer">RFC 7636 §4.6</a>, MUST`,
		"code=[code 1]&amp;</pre>", "<dt>because</dt><dd>it takes 2 users &amp;</dd>", "3 more exchanges", "GET /&amp; HTTP/1.1",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	appendix := sample("")
	appendix.Results[0].Section = "A.11"
	if got := written(t, report.HTML, appendix); !strings.Contains(got, `"https://www.rfc-editor.org/rfc/rfc7636#appendix-A.11"`) {
		t.Error("the page does not lead to an appendix")
	}
	for _, id := range []string{"pkce-right", "pkce-wrong", "iss-missing", "device-grant", "two-users"} {
		if n := strings.Count(got, `id="`+id+`"`); n != 1 {
			t.Errorf("the page has %s %d times", id, n)
		}
	}
}

func TestJUnit(t *testing.T) {
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Type    string `xml:"type,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
				Skipped *struct {
					Message string `xml:"message,attr"`
				} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(written(t, report.JUnit, sample(hostile))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 5 || got.Failures != 2 || got.Skipped != 2 || len(got.Suites) != 4 {
		t.Errorf("%+v", got)
	}
	c := got.Suites[0].Cases
	if len(c) != 2 || c[0].Failure != nil || c[0].Skipped != nil || c[1].Failure == nil {
		t.Fatalf("%+v", got.Suites[0])
	}
	if f := c[1].Failure; f.Type != "MUST" || !strings.Contains(f.Message, "</pre></td><script>") || !strings.Contains(f.Text, "a second\nof two lines") || !strings.Contains(f.Text, "code=[code 1]") {
		t.Errorf("%+v", f)
	}
	if s := got.Suites[2].Cases[0].Skipped; s == nil || !strings.HasPrefix(s.Message, "not offered: the metadata has no ") {
		t.Errorf("%+v", s)
	}
	if s := got.Suites[3].Cases[0].Skipped; s == nil || !strings.HasPrefix(s.Message, "not tested: it takes 2 users ") {
		t.Errorf("%+v", s)
	}
}

// A report that was written can be read, and the names in it stay what they are.
func TestJSON(t *testing.T) {
	text := []byte(written(t, report.JSON, sample("<&> \x1b \u202e")))
	var read conformance.Report
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if want := sample("<&> \x1b \u202e"); !reflect.DeepEqual(&read, want) {
		t.Errorf("read back: %+v\nwant: %+v", &read, want)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"format", "issuer", "name", "started", "duration_ns", "results", "counts"} {
		if _, there := object[name]; !there {
			t.Errorf("the report has no %s", name)
		}
		delete(object, name)
	}
	if len(object) > 0 {
		t.Errorf("the report has members that JSON does not document: %v", object)
	}
	var failed struct {
		Results []map[string]any `json:"results"`
		Counts  map[string]int   `json:"counts"`
	}
	if err := json.Unmarshal(text, &failed); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "spec", "section", "level", "request", "want", "status", "problems", "duration_ns", "exchanges"} {
		if _, there := failed.Results[1][name]; !there {
			t.Errorf("the result has no %s", name)
		}
	}
	if want := map[string]int{"passed": 1, "failed_must": 1, "failed_should": 1, "not_offered": 1, "not_tested": 1}; !reflect.DeepEqual(failed.Counts, want) {
		t.Errorf("counts %v", failed.Counts)
	}
}
