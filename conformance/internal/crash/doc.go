// Package crash kills authorization servers, and makes sure that nothing they have
// acknowledged is lost, comes back, happens twice or is there by halves.
//
// [Run] starts servers as processes of their own and puts them under the load of many
// clients over HTTP: authorizations with and without a consent page, code exchanges,
// refreshes, revocations by clients, users and the host, introspection, registration of
// clients, rotation of keys; records that do not live long are swept beside it. The
// servers are killed with SIGKILL, at random moments and at named points just before and
// after a change is made, and started again on the same data. A PostgreSQL under them is
// killed, cut off and replaced by its standby as well.
//
// # What is known
//
// Three things know what has to be there, none of them in a server that is killed. The
// ledger of the driver has what clients and the host were told. The journal is a file
// of all requests and answers, for whoever looks into a fault; an answer counts only once
// it is there and fsynced. And each server keeps a
// diary of what it asks of its store, written before it asks.
//
// # What is looked at
//
// After each kill the store is opened without a server, and every change in the diaries
// since the last time is looked for: all of it has to be there if the store had
// acknowledged it, none if the store had refused it, all or none if it never said. After
// each start the servers are asked about everything that clients were told since the last
// time. Both look at a sample of what is older, and at the end at everything.
//
// A request without an answer is sent again, as clients do, until there is one, and the
// answer is held to the contract: a refresh yields a pair within the grace window, a code
// that may have been redeemed works or is invalid_grant, and no failure lasts.
//
// The processes are killed, the machine is not: that what was acknowledged had reached
// the disk cannot be seen from here.
package crash
