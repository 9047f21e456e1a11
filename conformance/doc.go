// Package conformance proves OAuth servers: a catalogue of cases by the sections of the RFCs, of
// what a server has to do and of the attacks that it has to withstand, run against any server
// over HTTP. It knows nothing of the server's insides.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Target{
//			Issuer: "https://auth.example.com",
//			Users:  []conformance.User{{Name: "ana", Password: "…"}, {Name: "bob", Password: "…"}},
//		})
//	}
//
// or, for servers in whatever language,
//
//	go run github.com/grantor-oauth/grantor/conformance/cmd/conform -issuer https://auth.example.com -user ana:…
//
// What the server offers is taken from its metadata. A case about anything else is "not
// offered", and one that the suite cannot try, for want of a client or a user, "not tested":
// neither is ever taken for passed.
//
// The suite needs clients of many kinds. It registers them where the server has dynamic
// registration (RFC 7591), or makes them by Controls.NewClient in a test of one's own server, or
// uses those it is given.
package conformance
