package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// downtime is how much time goes by for the servers between two cycles, so that what
// does not live long is swept.
const downtime = 5 * time.Second

// startTime is how long a server may take to start.
const startTime = 30 * time.Second

// cycle is load until something is killed, and an audit.
func (r *run) cycle(p plan) error {
	r.cycles++
	r.journal.note("cycle %d: %s", r.cycles, p.what())
	if err := r.pass(downtime); err != nil {
		return err
	}
	if p.starting {
		return r.killStarting(p)
	}
	if err := r.startMissing(p.point); err != nil {
		return err
	}
	r.auditLive(false)
	r.auditKeys()
	if err := r.found.err(); err != nil {
		return err
	}
	r.fill()
	if err := r.arm(); err != nil {
		return err
	}
	r.gate.set(true)
	err := r.disturb(p)
	r.gate.set(false)
	if err := errors.Join(err, r.faults()); err != nil {
		return err
	}
	r.kills++
	return r.auditStore(false)
}

// pass lets time go by for all servers. The load stands still.
func (r *run) pass(d time.Duration) error {
	r.offset.Add(int64(d))
	return r.tell()
}

// tell tells the servers that run what time it is.
func (r *run) tell() error {
	for _, s := range r.servers {
		if s.gone() {
			continue
		}
		if err := r.setClock(s); err != nil {
			return err
		}
	}
	return nil
}

// setClock also has the server take the step that is due with its keys. If it does so and
// lives, it names them.
func (r *run) setClock(s *process) error {
	form := url.Values{"offset": {time.Duration(r.offset.Load()).String()}}
	for end := time.Now().Add(patience); ; time.Sleep(againAfter) {
		a := r.site.sendTo(s.url, request{path: clockPath, form: form})
		var kids []string
		if a.into(&kids) {
			for _, kid := range kids {
				r.kids[kid] = true
			}
			return nil
		}
		select {
		case <-s.ended:
			return nil // that is what it was for
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("server %s does not take the time: %s", s.page.name, a.outcome())
		}
	}
}

// auditKeys makes sure that every server publishes all keys that one has published. None
// of them ends within a run.
func (r *run) auditKeys() {
	for _, s := range r.servers {
		if s.gone() {
			continue
		}
		response, err := r.site.http.Get(s.url + "/oauth2/jwks")
		if err != nil {
			r.found.cannot(fmt.Errorf("reading the keys of server %s: %w", s.page.name, err))
			return
		}
		var set struct {
			Keys []struct {
				ID string `json:"kid"`
			} `json:"keys"`
		}
		err = json.NewDecoder(response.Body).Decode(&set)
		response.Body.Close()
		if err != nil {
			r.found.cannot(fmt.Errorf("reading the keys of server %s: %w", s.page.name, err))
			return
		}
		published := map[string]bool{}
		for _, k := range set.Keys {
			published[k.ID] = true
		}
		for kid := range r.kids {
			if !published[kid] {
				r.found.found(lost, "key "+kid, "it was published, and is not any more")
			}
		}
	}
}

// launch starts one more server, whose point may come while it starts, or only once it is
// armed.
func (r *run) launch(p Point, armed bool) (*process, error) {
	r.launched++
	name := fmt.Sprint(r.launched)
	s, err := launch(order{
		Store: r.options.Store, Address: r.backend.address(), Point: p, Armed: armed,
		Diary: filepath.Join(r.options.Folder, "diary-"+name), Offset: time.Duration(r.offset.Load()),
	}, name)
	if err == nil {
		r.servers = append(r.servers, s)
	}
	return s, err
}

// startMissing starts as many servers as belong there. If there is a point, it is one of
// these that has it.
func (r *run) startMissing(p Point) error {
	if err := r.bury(); err != nil {
		return err
	}
	missing := r.backend.replicas() - len(r.servers)
	if missing == 0 && p.Nth > 0 {
		r.servers[0].kill() // nobody is asking it anything
		if err := r.bury(); err != nil {
			return err
		}
		missing++
	}
	for i := range missing {
		point := p
		if i > 0 {
			point = Point{}
		}
		if _, err := r.launch(point, false); err != nil {
			return err
		}
	}
	var urls []string
	for _, s := range r.servers {
		select {
		case <-s.ready:
			urls = append(urls, s.url)
		case <-s.ended:
			return fmt.Errorf("server %s does not start: %s: %s", s.page.name, s.cmd.ProcessState, s.said.tail())
		case <-time.After(startTime):
			return fmt.Errorf("server %s does not start within %s: %s", s.page.name, startTime, s.said.tail())
		}
	}
	r.site.serves(urls)
	return nil
}

// bury takes the last words of servers that are gone.
func (r *run) bury() error {
	for _, s := range r.servers {
		if !s.gone() {
			continue
		}
		_ = s.in.Close()
		if err := r.book.copyFrom(s.page); err != nil {
			return err
		}
		if err := os.Remove(s.page.reader.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	r.servers = slices.DeleteFunc(r.servers, (*process).gone)
	r.site.http.CloseIdleConnections()
	return nil
}

// killServers ends all of them.
func (r *run) killServers() {
	for _, s := range r.servers {
		s.kill()
	}
}

// faults tells of servers that ended in another way than by being killed.
func (r *run) faults() error {
	var err error
	for _, s := range r.servers {
		if s.gone() {
			err = errors.Join(err, s.fault())
		}
	}
	return err
}

// killStarting kills a server that is starting, at a point or at a time.
func (r *run) killStarting(p plan) error {
	if p.leaping {
		_ = r.leap(func() error { return nil }) // nobody is there to be told
	}
	if err := r.bury(); err != nil {
		return err
	}
	s, err := r.launch(p.point, true)
	if err != nil {
		return err
	}
	if p.point.Nth == 0 {
		time.Sleep(p.after)
	} else {
		select {
		case <-s.ended:
			r.points++
		case <-s.ready: // there was nothing to do at that point
		case <-time.After(startTime):
		}
	}
	s.kill()
	if err := r.faults(); err != nil {
		return err
	}
	r.kills++
	return r.auditStore(false)
}

// leap puts the clock ahead, so far that the next key is due. tell tells the servers of
// it: a request that is under way meanwhile may see the time from before or from after.
func (r *run) leap(tell func() error) error {
	r.rotations++
	r.journal.note("the clock leaps")
	r.leaps.Add(1)
	defer r.leaps.Add(1)
	r.offset.Add(int64(leap))
	return tell()
}

// arm has the servers count towards their points from now on: an audit must not come to
// one.
func (r *run) arm() error {
	for _, s := range r.servers {
		if a := r.site.sendTo(s.url, request{path: armPath}); !a.ok() {
			return fmt.Errorf("server %s cannot be armed: %s", s.page.name, a.outcome())
		}
	}
	return nil
}
