package crash

import "net/url"

func (f *family) renewal(token string) request {
	return request{path: "/oauth2/token", client: f.client, form: url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token},
	}}
}

func (f *family) newest() string { return f.refresh[len(f.refresh)-1] }

// refreshed judges the answer to a refresh that has to succeed, unless so much time went
// by that it counts as a replay. It tells whether it did.
func (w *worker) refreshed(f *family, a asked) bool {
	switch {
	case a.ok():
		return true
	case a.errorCode() != "invalid_grant":
		w.strange("refresh", f.String(), a)
	case w.old(f), a.unsure && (a.leaped || w.now().Sub(a.first) > grace-slack):
	default:
		w.found.found(lost, "refresh token of "+f.String(), "it is not accepted")
	}
	f.moot = true
	return false
}

// refreshOnce uses the newest refresh token.
func (w *worker) refreshOnce(f *family) {
	f.begin()
	a := w.ask("refresh", f.String(), f.renewal(f.newest()))
	f.pending = false
	if w.refreshed(f, a) {
		w.take(f, a)
	}
}

// refreshAgain uses the newest refresh token, and does so again as if the answer had got
// lost: the same pair has to come.
func (w *worker) refreshAgain(f *family) {
	token := f.newest()
	f.begin()
	first := w.ask("refresh", f.String(), f.renewal(token))
	if !w.refreshed(f, first) {
		f.pending = false
		return
	}
	again := w.ask("refresh again", f.String(), f.renewal(token))
	f.pending = false
	w.take(f, first)
	w.follows(&again, first)
	if w.refreshed(f, again) {
		w.samePair(f, first, again)
	}
}

// refreshTwice uses the newest refresh token twice at once: both get the same pair.
func (w *worker) refreshTwice(f *family) {
	f.begin()
	one, two := w.askTwice("refresh", f.String(), f.renewal(f.newest()))
	f.pending = false
	// Each may have been the other's earlier try: while one of them had to wait to be sent
	// at all, the other may have had its answer.
	before := one
	w.follows(&one, two)
	w.follows(&two, before)
	first, second := w.refreshed(f, one), w.refreshed(f, two)
	if first {
		w.take(f, one)
	}
	if first && second {
		w.samePair(f, one, two)
	}
}

// follows makes an earlier request with the same token an earlier try.
func (w *worker) follows(a *asked, earlier asked) {
	a.unsure = true
	a.leaped = a.leaped || w.leaps.Load() != min(a.leaps, earlier.leaps)
	if earlier.first.Before(a.first) {
		a.first = earlier.first
	}
}

func (w *worker) samePair(f *family, one, two asked) {
	var a, b tokenPair
	one.into(&a)
	two.into(&b)
	if a != b {
		w.found.found(doubled, "refresh token of "+f.String(), "it yielded two pairs")
		f.moot = true
	}
}
