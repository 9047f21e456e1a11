package notebook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

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
// an answer of HTTP, so the guard looks into the message before the MCP server does. It may
// see something else there than that: see within.
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

// within has the MCP server itself refuse the tools that the scopes do not allow. It is this
// that counts: the guard does not read batches, and of members with one name but for the case
// it takes the last, so a client could show it another call than the one that is made.
func within(scopes []string) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
			if call, ok := r.(*mcp.CallToolRequest); ok {
				if scope := needs[call.Params.Name]; scope != "" && !slices.Contains(scopes, scope) {
					return nil, fmt.Errorf("the access token lacks the scope %s", scope)
				}
			}
			return next(ctx, method, r)
		}
	}
}
