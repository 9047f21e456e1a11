package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c, err := start("127.0.0.1:0", "")
	if errors.Is(err, postgrestest.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestCheck is what go run ./examples/cluster -check runs.
func TestCheck(t *testing.T) {
	c := startCluster(t)
	var out strings.Builder
	if err := play(t.Context(), c, &out); err != nil {
		t.Fatalf("%v\nafter:\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "ok  "); n != 14 {
		t.Errorf("%d steps:\n%s", n, out.String())
	}
}

// TestWithoutGo: who starts a binary of ours elsewhere is told what is missing.
func TestWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := start("127.0.0.1:0", "")
	if err == nil || !strings.Contains(err.Error(), "PATH") || strings.Contains(err.Error(), "\n") {
		t.Errorf("without the go command: %v", err)
	}
}

// TestAddressOfTheProxy: the client can only come back to 127.0.0.1.
func TestAddressOfTheProxy(t *testing.T) {
	_, err := start("0.0.0.0:0", "postgres://nobody.example/none")
	if err == nil || !strings.Contains(err.Error(), "-listen") {
		t.Errorf("on all addresses: %v", err)
	}
}

// TestInChromium walks a person's way, killing a replica at each turn. With
// GRANTOR_SCREENSHOTS set to a folder it leaves pictures of the cluster's pages there.
func TestInChromium(t *testing.T) {
	c := startCluster(t)
	page := browser.Open(t, c.issuer+"/cluster")
	shows := func(text string) {
		t.Helper()
		page.Await(fmt.Sprintf("document.body.innerText.includes(%q)", text))
	}
	look := func(name string) {
		t.Helper()
		for _, width := range []int{390, 1280} {
			page.Resize(width)
			if over := page.Eval("document.documentElement.scrollWidth - innerWidth"); over.(float64) > 0 {
				t.Errorf("%s is %v pixels too wide at %d", name, over, width)
			}
			for scheme, dark := range map[string]bool{"light": false, "dark": true} {
				page.Dark(dark)
				page.Screenshot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
			}
		}
	}
	// press is done in one go, because the status page loads itself anew all the time.
	press := func(selector string) {
		t.Helper()
		page.Await(fmt.Sprintf("(b => b && (b.click(), true))(document.querySelector(%q))", selector))
	}

	// kill leaves the two others to answer: it waits for those that were killed before.
	kill := func(n int) {
		t.Helper()
		for _, r := range c.replicas {
			if err := r.awaitUp(15*time.Second, nil); err != nil {
				t.Fatal(err)
			}
		}
		c.replicas[n-1].kill()
	}

	shows("Replica 3")
	look("cluster")
	press("form[action='/cluster/kill'] button:not(:disabled)")
	shows("down, back in a moment")
	page.Screenshot("cluster-killed")
	press("form[action='/cluster/connect'] button")
	shows("Sign in to Pager")
	kill(2)
	page.Type("#email", demoUser)
	page.Type("#password", demoPassword)
	page.Click("button.main")
	shows("Status board mobile wants to access your Pager account")
	kill(3)
	page.Click("button.allow")
	shows("Code redeemed")
	press("button[value=call]")
	shows("API called")
	press("button[value=refresh]")
	shows("Refreshed")
	press("button[value=revoke]")
	shows("Revoked")
	press("button[value=call]")
	shows("401 Unauthorized")
	look("client")
	if steps := page.Eval("document.querySelectorAll('li small').length"); steps != 5.0 {
		t.Errorf("%v steps name the replica that answered, expected 5", steps)
	}
	page.Visit(c.issuer + "/apps")
	shows("Status board mobile")
	for _, problem := range page.Problems() {
		if !strings.Contains(problem, "status of 404") { // favicon.ico, which the consent page does not name
			t.Error(problem)
		}
	}
}
