package authz

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// distinguishedName is a name of X.500 (RFC 4514 §2): its parts from the most specific to
// the least, each of them a set of attributes in a fixed order.
type distinguishedName [][]nameAttribute

type nameAttribute struct{ oid, value string }

// equal compares values byte for byte. X.500 has rules that take some spellings for the same
// (RFC 4517 §4.2.15); a certification authority writes a name in one.
func (n distinguishedName) equal(other distinguishedName) bool {
	return slices.EqualFunc(n, other, func(a, b []nameAttribute) bool { return slices.Equal(a, b) })
}

// attributeTypes are the short names of RFC 4514 §3, and those that certificates have beside.
var attributeTypes = map[string]string{
	"CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8",
	"STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "BUSINESSCATEGORY": "2.5.4.15", "ORGANIZATIONIDENTIFIER": "2.5.4.97",
	"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
	"EMAILADDRESS": "1.2.840.113549.1.9.1", "E": "1.2.840.113549.1.9.1",
}

// subjectOf is the subject of a certificate, from its encoding: pkix.Name forgets the order.
func subjectOf(certificate *x509.Certificate) (distinguishedName, error) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(certificate.RawSubject, &sequence); err != nil || len(rest) > 0 {
		return nil, errors.New("the subject of the certificate is malformed")
	}
	name := make(distinguishedName, 0, len(sequence))
	for _, part := range slices.Backward(sequence) { // RFC 4514 §2.1
		attributes := make([]nameAttribute, 0, len(part))
		for _, a := range part {
			value, isText := a.Value.(string)
			if !isText {
				return nil, errors.New("the subject of the certificate holds a value that is not text")
			}
			attributes = append(attributes, nameAttribute{a.Type.String(), value})
		}
		name = append(name, inOrder(attributes))
	}
	return name, nil
}

func inOrder(attributes []nameAttribute) []nameAttribute {
	slices.SortFunc(attributes, func(a, b nameAttribute) int {
		return strings.Compare(a.oid+"\x00"+a.value, b.oid+"\x00"+b.value)
	})
	return attributes
}

// parseDN reads the string form of a name (RFC 4514 §3). Spaces after a comma, which many
// programs write, are passed over.
func parseDN(s string) (distinguishedName, error) {
	var name distinguishedName
	var part []nameAttribute
	for rest := s; ; {
		kind, after, found := strings.Cut(strings.TrimLeft(rest, " "), "=")
		if !found {
			return nil, errors.New("an attribute has no value; write it like CN=client.example,O=Example,C=DE (RFC 4514)")
		}
		oid, err := attributeType(kind)
		if err != nil {
			return nil, err
		}
		value, end, after, err := parseValue(after)
		if err != nil {
			return nil, err
		}
		part = append(part, nameAttribute{oid, value})
		if end != '+' {
			name, part = append(name, inOrder(part)), nil
		}
		if end == 0 {
			return name, nil
		}
		rest = after
	}
}

func attributeType(kind string) (string, error) {
	if oid, known := attributeTypes[strings.ToUpper(kind)]; known {
		return oid, nil
	}
	dotted := strings.Count(kind, ".") > 0
	for arc := range strings.SplitSeq(kind, ".") {
		if arc == "" || strings.Trim(arc, "0123456789") != "" || len(arc) > 1 && arc[0] == '0' {
			dotted = false
		}
	}
	if !dotted {
		return "", fmt.Errorf("%q is not an attribute type that this server knows; write its object identifier, such as 2.5.4.3", kind)
	}
	return kind, nil
}

// parseValue reads one value, and tells which separator ended it, 0 for the end of the text.
func parseValue(s string) (value string, end byte, rest string, err error) {
	if strings.HasPrefix(s, "#") {
		return parseHexValue(s)
	}
	var b bytes.Buffer
	spaces := 0 // at the end, unescaped
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' && b.Len() == 0 {
			return "", 0, "", errors.New("a value begins with a space that is not escaped")
		}
		switch {
		case c == ',' || c == '+':
			if spaces > 0 {
				return "", 0, "", errors.New("a value ends in a space that is not escaped")
			}
			return b.String(), c, s[i+1:], nil
		case strings.IndexByte("\";<>\x00", c) >= 0:
			return "", 0, "", fmt.Errorf("a value holds %q, which has to be escaped (RFC 4514 §2.4)", c)
		case c != '\\':
			b.WriteByte(c)
			if spaces++; c != ' ' {
				spaces = 0
			}
			continue
		case i+1 < len(s) && strings.IndexByte(` "#+,;<=>\`, s[i+1]) >= 0:
			b.WriteByte(s[i+1])
			i++
		default:
			octet, err := hex.DecodeString(s[min(i+1, len(s)):min(i+3, len(s))])
			if err != nil || len(octet) != 1 {
				return "", 0, "", errors.New("a backslash is followed by neither a special character nor two hexadecimal digits (RFC 4514 §3)")
			}
			b.Write(octet)
			i += 2
		}
		spaces = 0
	}
	if spaces > 0 {
		return "", 0, "", errors.New("a value ends in a space that is not escaped")
	}
	return b.String(), 0, "", nil
}

// parseHexValue reads a value that is written as its encoding (RFC 4514 §2.4).
func parseHexValue(s string) (value string, end byte, rest string, err error) {
	digits := s[1:]
	if i := strings.IndexAny(digits, ",+"); i >= 0 {
		digits, end, rest = digits[:i], digits[i], digits[i+1:]
	}
	var decoded any
	encoded, err := hex.DecodeString(digits)
	if err == nil {
		var left []byte
		if left, err = asn1.Unmarshal(encoded, &decoded); len(left) > 0 {
			err = errors.New("there is more behind it")
		}
	}
	value, isText := decoded.(string)
	if err != nil || !isText {
		return "", 0, "", errors.New("a value that begins with # is not the encoding of a text (RFC 4514 §2.4)")
	}
	return value, end, rest, nil
}
