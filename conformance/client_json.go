package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// UnmarshalJSON reads a client of a file. A member that it does not know is an error, since it
// is more likely a slip than something that the suite can do without.
func (c *Client) UnmarshalJSON(text []byte) error {
	type fields Client
	var read struct {
		fields
		JWKS json.RawMessage `json:"jwks"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&read); err != nil {
		return err
	}
	if read.ID == "" {
		return fmt.Errorf("conformance: a client has no client_id")
	}
	*c = Client(read.fields)
	if c.JWKS = string(read.JWKS); len(read.JWKS) > 0 && read.JWKS[0] == '"' {
		return json.Unmarshal(read.JWKS, &c.JWKS)
	}
	return nil
}
