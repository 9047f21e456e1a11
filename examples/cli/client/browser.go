package client

import (
	"os/exec"
	"runtime"
)

// OpenBrowser opens a page in the user's browser. That it returns nil does not mean that
// anybody sees it: say the address too.
func OpenBrowser(url string) error {
	command := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open", url}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	}
	opener := exec.Command(command[0], command[1:]...)
	if err := opener.Start(); err != nil {
		return err
	}
	go opener.Wait() // some stay as long as the browser does
	return nil
}
