package conformance_test

import (
	"flag"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
)

var update = flag.Bool("update", false, "write the files of errors anew")

const goldenFolder = "testdata/errors"

// Status, headers and body of every error that the suite provokes stay as they are: clients and
// those who support them go by them. go test ./conformance -run TestErrors_golden -update takes
// what there is now; the difference then shows what has changed for clients.
func TestErrors_golden(t *testing.T) {
	if raced {
		t.Skip("it says nothing about races that TestSelf does not")
	}
	site := start(t, "memory", "everything")
	report, err := conformance.Check(t.Context(), site.Target(), conformance.Options{KeepAll: true})
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := url.Parse(site.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, one := range report.Results {
		if one.Status == conformance.Failed {
			t.Errorf("%s failed: %s", one.ID, strings.Join(one.Problems, "; "))
		}
		if said := errorsOf(&one, issuer.Host); said != "" && !one.Varies {
			files[goldenName(one.Spec)] += said
		}
	}
	if len(files) == 0 {
		t.Fatal("the suite has provoked no errors")
	}
	if *update && !t.Failed() {
		write(t, files)
	}
	there, err := filepath.Glob(filepath.Join(goldenFolder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if files[filepath.Base(file)] == "" {
			t.Errorf("%s is of no case any more: run with -update", file)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		want, err := os.ReadFile(filepath.Join(goldenFolder, name))
		if err != nil {
			t.Errorf("%v: run with -update", err)
		} else if files[name] != string(want) {
			t.Errorf("%s: errors are not what they were: if they should be, run with -update\n%s", name, difference(string(want), files[name]))
		}
	}
}

func write(t *testing.T, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(goldenFolder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(goldenFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(goldenFolder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// goldenName is the file of a specification.
func goldenName(spec string) string {
	return strings.ToLower(strings.ReplaceAll(strings.Replace(spec, "RFC ", "rfc", 1), " ", "-")) + ".golden"
}

// errorsOf are the different errors in the exchanges of a case, in the order of the alphabet, for
// how many there are and in which order may depend on time. Empty if there are none.
func errorsOf(one *conformance.Result, issuer string) string {
	var all []string
	for _, x := range one.Exchanges {
		if isError(x.Response) {
			all = append(all, goldenText(x, issuer))
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return "=== " + one.ID + "\n\n" + strings.Join(slices.Compact(all), "---\n") + "\n"
}

var (
	tellsError  = regexp.MustCompile(`(?m)^Location: .*[?&#]error=`)
	postsError  = regexp.MustCompile(`<input[^>]*\bname="error"`)
	errorStatus = regexp.MustCompile(`^[45]\d\d `)
)

// isError tells whether an answer is an error, or sends one on by a redirect or a form.
func isError(response string) bool {
	return errorStatus.MatchString(response) || tellsError.MatchString(response) || postsError.MatchString(response)
}

// goldenText is an exchange without what differs between two runs.
func goldenText(x conformance.Exchange, issuer string) string {
	const mostOfALine, mostOfAll = 400, 6 << 10
	line, _, _ := strings.Cut(x.Request, "\n")
	head, body, _ := strings.Cut(x.Response, "\n\n")
	clean := steady(body, issuer)
	if clean != body {
		head = contentLength.ReplaceAllString(head, "") // of what stands there no longer
	}
	text := shortened(steady(line, issuer), mostOfALine) + "\n\n" + steady(head, issuer) + "\n"
	if clean = strings.TrimRight(clean, "\n"); clean != "" {
		text += "\n" + shortened(clean, mostOfAll) + "\n"
	}
	return text
}

var contentLength = regexp.MustCompile(`(?m)^Content-Length: .*\n?`)

// differing are what no two runs have alike, and what stands for it.
var differing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\[([a-z_]+) \d+\]`), "[$1]"},
	{regexp.MustCompile(`(?s)<style>.*?</style>`), "<style>…</style>"},
	{regexp.MustCompile(`(127\.0\.0\.1|localhost|\[::1\])(:|%3A)\d{5}\b`), "$1$2[port]"},
	{regexp.MustCompile(`(?m)^Retry-After: \d+`), "Retry-After: [seconds]"},
	{regexp.MustCompile(`(?i)(expires=)[^;\n]* GMT`), "$1[date]"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`), "[date]"},
	{regexp.MustCompile(`\b(1[6-9]|2\d)\d{8}\b`), "[time]"},
	{regexp.MustCompile(`'sha256-[^']*'`), "'sha256-…'"},
	{regexp.MustCompile(`\b[0-9a-f]{16,}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "[random]"},
	{regexp.MustCompile(`\bc-[a-z2-7]{26}\b|\b[A-Z2-7]{26}\b`), "[random]"},
}

// word is what may be a key, an ID or a signature in base64url, and written what anybody writes
// between hyphens: in one size of letters, but for the first.
var (
	word    = regexp.MustCompile(`%[0-9A-Fa-f]{2}|[A-Za-z0-9_-]{12,}`)
	written = regexp.MustCompile(`^([A-Z]?[a-z]*|[A-Z]*)[0-9]*$`)
)

func readable(word string) bool {
	parts := strings.FieldsFunc(word, func(r rune) bool { return r == '-' || r == '_' })
	return !slices.ContainsFunc(parts, func(part string) bool { return !written.MatchString(part) })
}

func steady(text, issuer string) string {
	text = strings.NewReplacer(issuer, "issuer.example", url.QueryEscape(issuer), "issuer.example").Replace(text)
	for _, one := range differing {
		text = one.what.ReplaceAllString(text, one.name)
	}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		name, _, ok := strings.Cut(line, ": ")
		at := 0
		if ok && !strings.ContainsAny(name, ` "<{`) { // names of headers stay
			at = len(name)
		}
		lines[i] = line[:at] + word.ReplaceAllStringFunc(line[at:], func(word string) string {
			if strings.HasPrefix(word, "%") || readable(word) {
				return word
			}
			return "[random]"
		})
	}
	return strings.Join(lines, "")
}

func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}

// difference is the first place at which two texts differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	at, of := 0, ""
	for ; at < len(w) && at < len(g) && w[at] == g[at]; at++ {
		if id, ok := strings.CutPrefix(w[at], "=== "); ok {
			of = id
		}
	}
	around := func(lines []string) string { return strings.Join(lines[max(at-3, 0):min(at+8, len(lines))], "\n") }
	return "in " + of + ", was:\n" + around(w) + "\nis:\n" + around(g)
}
