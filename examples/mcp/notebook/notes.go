package notebook

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/grantor-oauth/grantor/handlers"
)

// notes are everybody's, by user.
type notes struct {
	mu  sync.Mutex
	all map[string][]string
}

type note struct {
	Text string `json:"text" jsonschema:"what to remember"`
}

type list struct {
	Notes []string `json:"notes"`
}

// tools are the MCP server. Each request gets one of its own, for the user whose token it
// carries; it keeps no sessions, so that none can be taken over.
func tools() http.Handler {
	n := &notes{all: map[string][]string{}}
	return mcp.NewStreamableHTTPHandler(func(r *http.Request) *mcp.Server {
		token := handlers.TokenFrom(r.Context())
		user := token.Subject
		s := mcp.NewServer(&mcp.Implementation{Name: "notebook", Version: "1.0.0"}, nil)
		s.AddReceivingMiddleware(within(token.Scopes))
		mcp.AddTool(s, &mcp.Tool{Name: "list_notes", Description: "List the user's notes"},
			func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, list, error) {
				return nil, list{n.of(user)}, nil
			})
		mcp.AddTool(s, &mcp.Tool{Name: "add_note", Description: "Add a note"},
			func(_ context.Context, _ *mcp.CallToolRequest, in note) (*mcp.CallToolResult, list, error) {
				return nil, list{n.add(user, in.Text)}, nil
			})
		return s
	}, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}

func (n *notes) of(user string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.all[user]...)
}

func (n *notes) add(user, text string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all[user] = append(n.all[user], text)
	return slices.Clone(n.all[user])
}
