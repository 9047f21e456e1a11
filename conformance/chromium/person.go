package chromium

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/chromedp/chromedp"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/buttons"
)

//go:embed person.js
var personSource string

// answer has the user do what there is to do on the page, and tells whether there was anything.
func (w *window) answer(ctx context.Context, decision conformance.Decision) (bool, error) {
	arguments, err := json.Marshal(map[string]any{
		"name": w.user.Name, "password": w.user.Password, "deny": decision == conformance.Deny, "stay": decision == conformance.Stay,
		"yes": buttons.Yes, "no": buttons.No,
	})
	if err != nil {
		return false, err
	}
	did, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("("+personSource+")("+string(arguments)+")"))
	if err != nil {
		return false, fmt.Errorf("chromium: answer the page: %w", err)
	}
	return did, nil
}
