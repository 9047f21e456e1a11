package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/grantor-oauth/grantor/conformance"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"plain": plain, "line": line, "short": short, "source": source,
	"first": first,
	"asked": func(request string) string { // without what makes it long
		begin, _, _ := strings.Cut(first(request), "?")
		return strings.TrimSuffix(begin, " HTTP/1.1")
	},
	"class":  func(s conformance.Status) string { return strings.ReplaceAll(string(s), " ", "-") },
	"anchor": func(s string) string { return strings.ReplaceAll(s, " ", "-") },
}).Parse(pageSource))

// first is the first line of a text.
func first(s string) string {
	begin, _, _ := strings.Cut(plain(s), "\n")
	return begin
}

// chapter is what the page has of one specification.
type chapter struct {
	Spec    string
	Count   conformance.Count
	Results []conformance.Result
}

// HTML writes the report as one page that needs nothing else, no script either: the counts by
// specification, then every case, and what went over the wire of those that failed.
func HTML(w io.Writer, r *conformance.Report) error {
	data := struct {
		*conformance.Report
		Title    string
		Total    conformance.Count
		Chapters []chapter
		Failed   []conformance.Result
	}{Report: r, Title: title(r), Total: r.Count("")}
	for _, spec := range r.Specs() {
		c := chapter{Spec: spec, Count: r.Count(spec)}
		for _, one := range r.Results {
			if one.Spec == spec {
				c.Results = append(c.Results, one)
			}
		}
		data.Chapters = append(data.Chapters, c)
	}
	for _, one := range r.Results {
		if one.Status == conformance.Failed {
			data.Failed = append(data.Failed, one)
		}
	}
	return page.Execute(w, data)
}
