package notebook

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
)

// needs says which tools take more than reading.
var needs = map[string]string{"add_note": Write}

// maxMessage bounds one message to the MCP server, in bytes.
const maxMessage = 1 << 20

// guard lets requests through that carry a token for what they want to do. A call of a tool
// that needs more than the token allows is answered with 403 and the scope that is missing,
// and the client asks its user for that: step-up, as MCP's authorization has it. It has to be
// an answer of HTTP, so the guard looks into the message before the MCP server does.
func guard(as *authz.Server, next http.Handler) http.Handler {
	byScope := map[string]http.Handler{"": handlers.Protect(as, Read)(next)}
	for _, scope := range needs {
		byScope[scope] = handlers.Protect(as, Read, scope)(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope := ""
		if r.Method == http.MethodPost && r.Header.Get("Authorization") != "" {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
			if err != nil {
				http.Error(w, "the message is too long, or broke off", http.StatusBadRequest)
				return
			}
			scope = needs[toolIn(body)]
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		byScope[scope].ServeHTTP(w, r)
	})
}

// toolIn is the name of the tool that a message calls, empty if it calls none. What is no
// message is for the MCP server to refuse.
func toolIn(message []byte) string {
	var call struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	if json.Unmarshal(message, &call) != nil || call.Method != "tools/call" {
		return ""
	}
	return call.Params.Name
}
