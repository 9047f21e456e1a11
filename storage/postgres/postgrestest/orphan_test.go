package postgrestest_test

import (
	"bufio"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// A test binary that is killed, by a timeout say, takes its server along.
func TestTheServerEndsWithUs(t *testing.T) {
	if os.Getenv("POSTGRESTEST_CHILD") == "1" {
		c, err := postgrestest.Start()
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(c.URL() + "\n")
		time.Sleep(time.Minute)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child that its parent has ended")
	}
	postgrestest.New(t) // skips where there is none
	folder := openFolder(t)
	child := exec.Command(os.Args[0], "-test.run=^TestTheServerEndsWithUs$")
	child.Env = append(os.Environ(), "POSTGRESTEST_CHILD=1", "TMPDIR="+folder)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _, err := bufio.NewReader(out).ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(string(line))
	if err != nil {
		t.Fatal(err)
	}
	listening := func() bool {
		conn, err := net.Dial("tcp", address.Host)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	if !listening() {
		t.Fatalf("nobody listens on %s", address.Host)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	for end := time.Now().Add(20 * time.Second); listening(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server outlived the process that started it")
		}
	}
}
