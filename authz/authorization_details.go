package authz

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// AuthorizationDetailsType is one type of rich authorization requests (RFC 9396 §2): what
// its objects may say, and how people are told. [AuthorizationDetailsOf] makes one of a Go
// type. What the functions are given is one JSON object, without repeated members, whose
// type member is the name under which this is in Config.AuthorizationDetails.
type AuthorizationDetailsType struct {
	// Validate judges an object that a client asks for, and returns it in the form in
	// which it is granted, with what the host adds to it (RFC 9396 §7.1). What it has
	// returned must come out of it again as it is. An error refuses the request with
	// invalid_authorization_details (§5); its text goes to the log. An *Error is the
	// answer itself.
	Validate func(ctx context.Context, client *Client, detail json.RawMessage) (json.RawMessage, error)

	// Describe says on the consent page, in a sentence, what the object allows, such as
	// "Pay EUR 12.50 to Example Ltd.". It is shown as text, of up to 1000 characters.
	Describe func(ctx context.Context, detail json.RawMessage) (string, error)

	// Covers reports whether what was granted includes what a token request asks for (RFC
	// 9396 §6), both in the form that Validate returns. Nil: if the two are the same.
	Covers func(granted, requested json.RawMessage) bool
}

// AuthorizationDetailsOf makes a type of the Go type of its objects, a struct with json tags
// for all their members, type included. Members that it does not have are refused (RFC 9396
// §5). validate may change what it is given; covers may be nil.
func AuthorizationDetailsOf[T any](
	validate func(ctx context.Context, client *Client, detail *T) error,
	describe func(ctx context.Context, detail *T) (string, error),
	covers func(granted, requested *T) bool,
) AuthorizationDetailsType {
	t := AuthorizationDetailsType{
		Validate: func(ctx context.Context, client *Client, raw json.RawMessage) (json.RawMessage, error) {
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields()
			var detail T
			if err := d.Decode(&detail); err != nil {
				return nil, err
			}
			if err := validate(ctx, client, &detail); err != nil {
				return nil, err
			}
			return json.Marshal(&detail)
		},
		Describe: func(ctx context.Context, raw json.RawMessage) (string, error) {
			var detail T
			if err := json.Unmarshal(raw, &detail); err != nil {
				return "", err
			}
			return describe(ctx, &detail)
		},
	}
	if covers != nil {
		t.Covers = func(granted, requested json.RawMessage) bool {
			var g, r T
			return json.Unmarshal(granted, &g) == nil && json.Unmarshal(requested, &r) == nil && covers(&g, &r)
		}
	}
	return t
}

// Bounds of one request. What is granted is in the access token.
const (
	maxDetails     = 20
	maxDetailDepth = 8
	maxDescription = 1000    // characters
	maxDetailBytes = 3 << 10 // of all that are granted together, in JSON
)

// detail is one object of authorization_details.
type detail struct {
	Type string
	JSON json.RawMessage
}

// checkAuthorizationDetails says what is wrong with Config.AuthorizationDetails.
func (c *Config) checkAuthorizationDetails(fault func(field, format string, args ...any)) {
	for name, t := range c.AuthorizationDetails {
		switch {
		case name == "" || !text(name):
			fault("AuthorizationDetails", "%q cannot be a type; use a name such as payment_initiation", name)
		case t.Validate == nil || t.Describe == nil:
			fault("AuthorizationDetails", "%q: Validate or Describe is nil; what nobody checks or understands must not be granted", name)
		}
	}
}

func badDetails(reason string, err error) *Error {
	return failed(invalidAuthorizationDetails, reason, "The authorization_details are malformed, of a type that this client may not ask for, or not acceptable.").because(err)
}

// parseDetails takes the parameter apart (RFC 9396 §2). Readers differ in what they make of
// a member that is there twice, so there must be none.
func parseDetails(param string) ([]detail, error) {
	if err := checkJSON(param); err != nil {
		return nil, err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(param), &raw); err != nil {
		return nil, err
	}
	if len(raw) == 0 || len(raw) > maxDetails {
		return nil, fmt.Errorf("it has %d objects; there must be 1 to %d", len(raw), maxDetails)
	}
	details := make([]detail, len(raw))
	for i, object := range raw {
		// Into a map, which knows names by their exact spelling, as structs do not.
		var members map[string]json.RawMessage
		if err := json.Unmarshal(object, &members); err != nil {
			return nil, err
		}
		var name string
		if err := json.Unmarshal(members["type"], &name); err != nil || name == "" {
			return nil, errors.New("an object has no type, or one that is not a string")
		}
		details[i] = detail{name, object}
	}
	return details, nil
}

// checkJSON makes sure that s is one JSON value, not too deep, in which no object has a
// member twice.
func checkJSON(s string) error {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth++; depth > maxDetailDepth {
		return fmt.Errorf("it is deeper than %d", maxDetailDepth)
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			// As some readers take names: encoding/json knows long s and the Kelvin sign, too.
			folded := strings.ToLower(strings.ToUpper(name.(string)))
			if seen[folded] {
				return errors.New("a member is there twice")
			}
			seen[folded] = true
		}
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// resolveDetails judges the authorization_details that a client asks for (RFC 9396 §5), and
// returns them in the form in which they are granted; nil for none.
func (s *Server) resolveDetails(ctx context.Context, client *Client, param string) ([]detail, *Error) {
	if param == "" {
		return nil, nil
	}
	details, err := parseDetails(param)
	if err != nil {
		return nil, badDetails("authorization_details_malformed", err)
	}
	for i, asked := range details {
		t, known := s.config.AuthorizationDetails[asked.Type]
		if !known || !slices.Contains(client.AuthorizationDetailsTypes, asked.Type) {
			return nil, badDetails("authorization_details_type_not_allowed",
				fmt.Errorf("%.100q is not in Config.AuthorizationDetails or not in the client's AuthorizationDetailsTypes", asked.Type))
		}
		valid, err := t.Validate(ctx, cloneClient(client), bytes.Clone(asked.JSON))
		var refusal *Error
		switch {
		case errors.As(err, &refusal):
			return nil, refusal.fromHost()
		case err != nil:
			return nil, badDetails("authorization_details_not_valid", err)
		}
		// What the host returns is held to the same.
		encoded, err := json.Marshal(valid)
		var again []detail
		if err == nil {
			again, err = parseDetails("[" + string(encoded) + "]")
		}
		if err != nil || len(again) != 1 || again[0].Type != asked.Type {
			return nil, broken("authorization_details_hook_failed", errors.Join(err, fmt.Errorf("the Validate hook of %.100q did not return one JSON object of that type", asked.Type)))
		}
		details[i] = again[0]
	}
	if n := len(joinDetails(details)); n > maxDetailBytes {
		return nil, badDetails("authorization_details_too_long", fmt.Errorf("they have %d bytes; up to %d fit into a token", n, maxDetailBytes))
	}
	return details, nil
}

// joinDetails is the JSON array of details; nil for none.
func joinDetails(details []detail) []byte {
	if len(details) == 0 {
		return nil
	}
	b := []byte{'['}
	for i, d := range details {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, d.JSON...)
	}
	return append(b, ']')
}

// checkDetails: RFC 9396 §5.
func (a *authorization) checkDetails(ctx context.Context) (err *Error) {
	a.details, err = a.resolveDetails(ctx, a.client, once(a.params, "authorization_details"))
	return err
}

// describeDetails are the lines of the consent page.
func (a *authorization) describeDetails(ctx context.Context) ([]DetailPrompt, *Error) {
	var lines []DetailPrompt
	for _, d := range a.details {
		description, err := a.config.AuthorizationDetails[d.Type].Describe(ctx, bytes.Clone(d.JSON))
		if err == nil && strings.TrimSpace(description) == "" {
			err = errors.New("the Describe hook returned nothing to show")
		}
		if n := utf8.RuneCountInString(description); err == nil && n > maxDescription {
			// A page would cut off what people then allow unseen.
			err = fmt.Errorf("the Describe hook returned %d characters; up to %d are shown, so let Validate refuse what takes more", n, maxDescription)
		}
		if err != nil {
			return nil, broken("authorization_details_hook_failed", err)
		}
		lines = append(lines, DetailPrompt{Type: d.Type, Description: description, JSON: bytes.Clone(d.JSON)})
	}
	return lines, nil
}

// AuthorizationDetails picks the details of one access token (RFC 9396 §6): those that the
// token request names, which what was granted has to cover, or all that were granted. Types
// that the server or the client has lost since are left out.
func (p *tokenPolicy) AuthorizationDetails(ctx context.Context, granted []byte) ([]byte, error) {
	param := p.params.Get("authorization_details")
	if len(granted) == 0 && param == "" {
		return nil, nil
	}
	var had []detail
	if len(granted) > 0 {
		var err error
		if had, err = parseDetails(string(granted)); err != nil {
			return nil, broken("authorization_details_unreadable", err)
		}
	}
	had = slices.DeleteFunc(had, func(d detail) bool {
		_, known := p.config.AuthorizationDetails[d.Type]
		return !known || !slices.Contains(p.client.AuthorizationDetailsTypes, d.Type)
	})
	if param == "" {
		return joinDetails(had), nil
	}
	asked, refused := p.resolveDetails(ctx, p.client, param)
	if refused != nil {
		return nil, refused
	}
	for _, d := range asked {
		covers := p.config.AuthorizationDetails[d.Type].Covers
		covered := slices.ContainsFunc(had, func(g detail) bool {
			if g.Type != d.Type {
				return false
			}
			return bytes.Equal(g.JSON, d.JSON) || covers != nil && covers(bytes.Clone(g.JSON), bytes.Clone(d.JSON))
		})
		if !covered {
			return nil, badDetails("authorization_details_not_granted", nil)
		}
	}
	return joinDetails(asked), nil
}
