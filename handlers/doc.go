// Package handlers puts an authorization server on the web.
package handlers
