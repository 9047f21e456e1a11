package main

import (
	"fmt"
	"html"
	"net/http"
	"strings"
)

// page is a page of the proxy or of the application.
func page(title, body string) string {
	return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>` + html.EscapeString(title) + `</title><style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } p, td, th { overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse; margin: 1.5rem 0 }
td, th { text-align: left; padding: .5rem .6rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent) }
button, .button { font: inherit; padding: .35rem .9rem; border-radius: .4rem; border: 1px solid #3b6fd8; background: #3b6fd8; color: #fff; text-decoration: none; cursor: pointer }
button.kill { background: none; color: inherit; border-color: #c43d3d }
.up { color: #218739 } .down { color: #c43d3d } input { font: inherit; padding: .3rem .5rem }
form { display: inline } code { font-size: .9em }
</style><h1>` + html.EscapeString(title) + `</h1>` + body + `</html>`
}

func (c *cluster) showStatus(w http.ResponseWriter, _ *http.Request) {
	var rows strings.Builder
	for _, r := range c.replicas {
		state, pid := `<span class="up">up</span>`, fmt.Sprint(r.pid())
		if !r.up() {
			state = `<span class="down">down, back in a moment</span>`
		}
		if pid == "0" {
			pid = "–"
		}
		fmt.Fprintf(&rows, `<tr><td>%s<td>%s<td>%s<td>%d<td><form method="post" action="/kill"><input type="hidden" name="replica" value="%s"><button class="kill">Kill it</button></form>`,
			r.name, state, pid, r.served.Load(), r.name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Refresh", "2")
	fmt.Fprint(w, page("Three replicas, one PostgreSQL", `<p>Each replica is a process of its own with the same
authorization server in it. The proxy asks them in turn. Kill one (SIGKILL), and go on.</p>
<table><tr><th>Replica<th>State<th>Process<th>Requests<th></tr>`+rows.String()+`</table>
<p><a class="button" href="/demo">Connect a client</a></p>`))
}
