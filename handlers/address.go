package handlers

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is where a request came from: the nearest address that is not one of the trusted
// proxies, each of which vouches for the one before it. What an untrusted peer writes into
// X-Forwarded-For is its own invention.
func (e *endpoint) address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap()
	if len(e.proxies) == 0 {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && e.trusts(address); i-- {
		before, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = before
	}
	return address
}

// parseHop reads one address, which some proxies write with a port.
func parseHop(hop string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr().Unmap(), nil
	}
	address, err := netip.ParseAddr(hop)
	return address.Unmap().WithZone(""), err
}

func (e *endpoint) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(e.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
