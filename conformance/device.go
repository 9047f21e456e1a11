package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// devices are clients that cannot show a browser (RFC 8628 §4).
var devices feature = func(r *running) string {
	if missing := has("device_authorization_endpoint")(r); missing != "" {
		return missing
	}
	return lists("grant_types_supported", deviceGrant)(r)
}

// deviceClient is a client of that kind.
func (p *probe) deviceClient(wanted ...wanting) *client {
	types := []string{deviceGrant}
	if refreshing(p.run) == "" {
		types = append(types, "refresh_token")
	}
	return p.client(append([]wanting{grants(types...)}, wanted...)...)
}

// device is a device that waits for its user.
type device struct {
	*exchange
	c              *client
	code, userCode string
}

// deviceRequest sends a device authorization request (RFC 8628 §3.1).
func (c *client) deviceRequest(edits ...edit) *exchange {
	form := url.Values{}
	if scope := c.p.scope(); scope != "" {
		form.Set("scope", scope)
	}
	for _, e := range edits {
		e(form)
	}
	return c.post("device_authorization_endpoint", form)
}

// device is the answer to one, which must be there (RFC 8628 §3.2).
func (c *client) device(edits ...edit) *device {
	x := c.deviceRequest(edits...)
	if x.status != http.StatusOK || x.member == nil {
		c.p.failBasic("device-flow", "%s: no codes: status %d, error %q: %s", x.what(), x.status, x.text("error"), x.text("error_description"))
	}
	d := &device{exchange: x, c: c, code: x.text("device_code"), userCode: x.text("user_code")}
	if d.code == "" || d.userCode == "" || x.text("verification_uri") == "" || d.lifetime() <= 0 {
		c.p.failf("%s: device_code, user_code, verification_uri or expires_in is missing", x.what())
	}
	return d
}

// lifetime is how long its codes can be used.
func (d *device) lifetime() time.Duration {
	seconds, _ := d.member["expires_in"].(float64)
	return time.Duration(seconds) * time.Second
}

// interval is how long it has to wait between two polls (RFC 8628 §3.2).
func (d *device) interval() time.Duration {
	seconds, there := d.member["interval"].(float64)
	if !there {
		seconds = 5
	}
	return time.Duration(seconds) * time.Second
}

// poll asks whether the user has decided (RFC 8628 §3.4).
func (d *device) poll() *exchange { return d.pollAs(d.c) }

func (d *device) pollAs(c *client) *exchange {
	return c.token(url.Values{"grant_type": {deviceGrant}, "device_code": {d.code}})
}

// wantWaiting fails the case unless the user has not decided yet.
func (d *device) wantWaiting() { d.poll().wantError(400, "authorization_pending", "slow_down") }

// tokens are those that the device gets now.
func (d *device) tokens() *tokens { return d.c.got(d.poll()) }

var namesCode = regexp.MustCompile(`(?i)code|pin|otp|device`)

// typed has a user type a code on the verification page, and answer what follows. It returns
// the page on which there is nothing more to do: where it has a form that asks for a decision,
// and the decision is Stay, that one.
func (d *device) typed(b *browser, code string, decision Decision) *exchange {
	return d.answered(b, d.text("verification_uri"), code, decision)
}

// clicked has a user open the URL that has the code in it (RFC 8628 §3.3.1).
func (d *device) clicked(b *browser, decision Decision) *exchange {
	at := d.text("verification_uri_complete")
	if at == "" {
		d.c.p.notOffered("there is no verification_uri_complete")
	}
	return d.answered(b, at, "", decision)
}

func (d *device) answered(b *browser, address, code string, decision Decision) *exchange {
	if b.real != nil {
		d.c.p.notTested("it takes the suite's own browser to type user codes")
	}
	return d.goesOn(b, b.open(address), code, decision)
}

// goesOn has a user answer a page and what follows.
func (d *device) goesOn(b *browser, x *exchange, code string, decision Decision) *exchange {
	p, done := d.c.p, false
	for range mostSteps {
		if to := x.location(); to != nil && x.status >= 300 && x.status < 400 {
			x = b.open(to.String())
			continue
		}
		if x.status != http.StatusOK {
			return x
		}
		next, types := typing(x.page(), code)
		switch {
		case types && (done || code == ""):
			return x
		case submitsItself(x) != nil:
			next = submitsItself(x)
		case types:
			done = true
		default:
			var err error
			if next, err = b.person()(x.page(), b.user, decision); err != nil {
				p.failf("%s: the page cannot be answered: %v", x.what(), err)
			}
		}
		if next == nil {
			return x
		}
		x = b.submit(next)
	}
	p.failf("after %d pages and redirects there is no end to it: see Target.Users and Target.Person", mostSteps)
	return nil
}

var submitsByScript = regexp.MustCompile(`(?i)\.submit\s*\(`)

// submitsItself is the request of a form that a page's script sends as soon as it is shown, with
// nothing in it to fill in or press; nil for other pages.
func submitsItself(x *exchange) *http.Request {
	forms := formsIn(string(x.body))
	if len(forms) != 1 || len(forms[0].fields) > 0 || len(forms[0].buttons) > 0 || !submitsByScript.Match(x.body) {
		return nil
	}
	next, err := forms[0].submission(x.request.URL, forms[0].hidden)
	if err != nil {
		return nil
	}
	return next
}

// typing is the request that submits the form in which a code is typed; types is false for a
// page that has none.
func typing(page *Page, code string) (next *http.Request, types bool) {
	for _, f := range formsIn(page.Body) {
		if slices.ContainsFunc(f.fields, func(one field) bool { return one.kind == "password" }) {
			continue
		}
		i := slices.IndexFunc(f.fields, func(one field) bool {
			return (one.kind == "text" || one.kind == "") && namesCode.MatchString(one.name)
		})
		if i < 0 {
			continue
		}
		values := url.Values{}
		for name, all := range f.hidden {
			values[name] = slices.Clone(all)
		}
		values.Set(f.fields[i].name, code)
		if b := press(f.buttons, false); b != nil && b.name != "" {
			values.Set(b.name, b.value)
		}
		next, err := f.submission(page.URL, values)
		return next, err == nil
	}
	return nil, false
}

// decides tells whether a page asks the user to decide: there is something with which to allow it,
// and nothing for a user who only signs in.
func (b *browser) decides(x *exchange) bool {
	if _, types := typing(x.page(), ""); types || x.status != http.StatusOK {
		return false
	}
	person := b.person()
	allows, err := person(x.page(), b.user, Allow)
	stays, _ := person(x.page(), b.user, Stay)
	return err == nil && allows != nil && stays == nil
}

// person is who sits at the browser.
func (b *browser) person() Person {
	if p := b.p.run.target.Person; p != nil {
		return p
	}
	return FillForms
}

// asked has the user come as far as the page that asks for the decision.
func (d *device) asked(b *browser) *exchange {
	x := d.typed(b, d.userCode, Stay)
	if !b.decides(x) {
		d.c.p.failf("%s: after the user code was typed, the page does not ask the user to decide: status %d", x.what(), x.status)
	}
	return x
}

// decide submits what the user decides on a page.
func (b *browser) decide(page *exchange, decision Decision, changes ...sending) *exchange {
	next, err := b.person()(page.page(), b.user, decision)
	if err != nil || next == nil {
		b.p.failf("%s: the page cannot be answered: %v", page.what(), err)
	}
	return b.submit(next, changes...)
}

// bare is a user code as people may say it: letters and digits alone.
func bare(code string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, code)
}

// another is a code that looks like the device's and is not: each sign is another of its kind.
func (d *device) another() string {
	digits, letters := "0123456789", "BCDFGHJKLMNPQRSTVWXZ"
	noise := random(len(d.userCode))
	i := 0
	return strings.Map(func(r rune) rune {
		from := letters
		switch {
		case r >= '0' && r <= '9':
			from = digits
		case (r < 'A' || r > 'Z') && (r < 'a' || r > 'z'):
			return r
		}
		i++
		return rune(from[int(noise[i-1])*7%len(from)])
	}, d.userCode)
}
