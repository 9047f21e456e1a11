package main

import (
	"embed"
	"html/template"
	"net/http"
)

//go:embed pages.html style.css
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages.html"))

// show writes a page of the cluster's own.
func show(w http.ResponseWriter, page string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	if err := pages.ExecuteTemplate(w, page, data); err != nil {
		panic(err) // a broken template is a bug of this program
	}
}

func (c *cluster) showStatus(w http.ResponseWriter, _ *http.Request) {
	type row struct {
		Name     string
		Up       bool
		PID      int
		Requests int64
	}
	var rows []row
	for _, r := range c.replicas {
		rows = append(rows, row{r.name, r.up(), r.pid(), r.served.Load()})
	}
	w.Header().Set("Refresh", "2")
	show(w, "status", rows)
}
