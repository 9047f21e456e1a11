// Package engine runs the grants on fosite, and is the only package that imports
// it.
//
// fosite decides: it parses the request, finds the handler of the grant, checks
// client, code, verifier and scopes, and says what is to be issued. It does not
// act. Each request gets a unit of work, which has read what was presented before
// fosite's many storage calls ask for it, and which only notes what they write; when
// fosite is content, the unit is one storage.Write for the caller to commit. What fosite gets wrong for us (client
// authentication, redirect matching, token formats, refresh narrowing, lifetimes)
// has been decided before it is asked, or is replaced by a handler of ours.
//
// The tests of this package show, fact by fact, what plain fosite does with the same
// requests.
package engine
