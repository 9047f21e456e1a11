package conformance

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	nethtml "golang.org/x/net/html"

	"github.com/grantor-oauth/grantor/conformance/internal/buttons"
)

// webForm is a form on a page.
type webForm struct {
	method, action string
	hidden         url.Values
	fields         []field
	buttons        []field
}

// field is something in a form that a person fills in, ticks or presses.
type field struct {
	kind, name, value, label string
	checked                  bool
}

// formsIn reads the forms of a page.
func formsIn(page string) []webForm {
	var all []webForm
	root, err := nethtml.Parse(strings.NewReader(page))
	if err != nil {
		return nil
	}
	named := map[string]int{}       // forms by their id, for
	outside := map[string][]field{} // buttons that stand elsewhere and name theirs
	var visit func(n *nethtml.Node, inside *webForm)
	visit = func(n *nethtml.Node, inside *webForm) {
		if n.Type == nethtml.ElementNode {
			attribute := func(name string) string {
				for _, a := range n.Attr {
					if a.Key == name {
						return a.Val
					}
				}
				return ""
			}
			has := func(name string) bool {
				return slices.ContainsFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Key == name })
			}
			switch {
			case n.Data == "form":
				all = append(all, webForm{method: strings.ToUpper(attribute("method")), action: attribute("action"), hidden: url.Values{}})
				at := len(all) - 1
				named[attribute("id")] = at
				inside = &all[at]
				for c := n.FirstChild; c != nil; c = c.NextSibling {
					visit(c, inside)
				}
				return
			case has("disabled"):
			case n.Data == "button" && has("form") && attribute("type") != "button" && attribute("type") != "reset":
				outside[attribute("form")] = append(outside[attribute("form")], field{kind: "submit", name: attribute("name"), value: attribute("value"), label: textOf(n)})
			case inside == nil:
			case n.Data == "input":
				f := field{kind: strings.ToLower(attribute("type")), name: attribute("name"), value: attribute("value"), checked: has("checked")}
				switch f.kind {
				case "hidden":
					inside.hidden.Add(f.name, f.value)
				case "submit", "image":
					f.label = f.value
					inside.buttons = append(inside.buttons, f)
				case "button", "reset":
				default:
					if (f.kind == "checkbox" || f.kind == "radio") && !has("value") {
						f.value = "on"
					}
					inside.fields = append(inside.fields, f)
				}
			case n.Data == "button" && attribute("type") != "button" && attribute("type") != "reset":
				inside.buttons = append(inside.buttons, field{kind: "submit", name: attribute("name"), value: attribute("value"), label: textOf(n)})
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			visit(c, inside)
		}
	}
	visit(root, nil)
	for id, buttons := range outside {
		if at, there := named[id]; there && id != "" {
			all[at].buttons = append(all[at].buttons, buttons...)
		}
	}
	return all
}

func textOf(n *nethtml.Node) string {
	if n.Type == nethtml.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(textOf(c))
	}
	return b.String()
}

// What a button does, by the words on it.
var (
	saysNo  = regexp.MustCompile("(?i)" + buttons.No)
	saysYes = regexp.MustCompile("(?i)" + buttons.Yes)
)

// FillForms is the Person that comes with the suite: it types the user's name and password
// where a form asks for them, ticks what can be ticked, and presses the button that says yes, or
// no. It knows no script.
func FillForms(page *Page, user User, decision Decision) (*http.Request, error) {
	for _, f := range formsIn(page.Body) {
		values, asksPassword := url.Values{}, false
		for name, all := range f.hidden {
			values[name] = slices.Clone(all)
		}
		for _, one := range f.fields {
			switch {
			case one.name == "":
			case one.asksPassword():
				values.Set(one.name, user.Password)
				asksPassword = true
			case one.kind == "checkbox":
				values.Add(one.name, one.value)
			case one.kind == "radio":
				if one.checked || !values.Has(one.name) {
					values.Set(one.name, one.value)
				}
			case one.value != "":
				values.Set(one.name, one.value)
			default:
				values.Set(one.name, user.Name)
			}
		}
		signsIn := asksPassword || slices.ContainsFunc(f.fields, func(one field) bool { return one.kind == "text" || one.kind == "" || one.kind == "email" })
		if decision == Stay && !signsIn {
			return nil, nil
		}
		pressed := press(f.buttons, decision == Deny && !signsIn)
		if pressed != nil && pressed.name != "" {
			values.Set(pressed.name, pressed.value)
		}
		if pressed == nil && decision == Deny && !signsIn {
			continue // the other form may be the one that says no
		}
		return f.submission(page.URL, values)
	}
	return nil, nil
}

// asksPassword goes by the name as well: examples of servers like to show what is typed.
func (f *field) asksPassword() bool {
	return f.kind == "password" || f.kind != "checkbox" && f.kind != "radio" && strings.Contains(strings.ToLower(f.name), "password")
}

// press finds the button to press: nil if there is none.
func press(buttons []field, deny bool) *field {
	says := func(b field, words *regexp.Regexp) bool {
		return words.MatchString(b.label) || words.MatchString(b.value) || words.MatchString(strings.ReplaceAll(b.name, "_", " "))
	}
	for i, b := range buttons {
		switch no := says(b, saysNo); {
		case deny && no:
			return &buttons[i]
		case !deny && !no && says(b, saysYes):
			return &buttons[i]
		}
	}
	if deny {
		return nil
	}
	for i, b := range buttons {
		if !says(b, saysNo) {
			return &buttons[i]
		}
	}
	return nil
}

// submission is the request that submits a form of a page.
func (f *webForm) submission(page *url.URL, values url.Values) (*http.Request, error) {
	to, err := page.Parse(html.UnescapeString(f.action))
	if err != nil {
		return nil, errors.New("the form's action is no URL")
	}
	if f.action == "" {
		to = page
	}
	if f.method != http.MethodPost {
		target := *to
		target.RawQuery = values.Encode()
		return http.NewRequest(http.MethodGet, target.String(), nil)
	}
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// As browsers do, which is how a server knows its own pages (Fetch §3.2).
	r.Header.Set("Origin", page.Scheme+"://"+page.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r, nil
}
