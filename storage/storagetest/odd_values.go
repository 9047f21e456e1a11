package storagetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// odd are strings that a host may use and a backend may stumble over. No two are
// equal, many begin alike.
var odd = []string{
	"", "a", "A", "a\x00", "a\x00b", "\x00", "\x00\x00", "a ", " a", "a:b", "a:", ":", "a/b", "a|b", "a,b",
	"a\nb", "ab", "b", "\xff", "\xff\xfe", "a\xffb", "\xc3\x28", "é", "e\u0301", "日本語", "\U0001F600",
	"'; DROP TABLE grants; --", "%", "_", "*", `"`, `\`, "null", "0", "00",
	strings.Repeat("long", 16<<10), strings.Repeat("long", 16<<10) + "er", strings.Repeat("lo", 20_000),
}

var oddChecks = []check{
	{name: "odd_values/come_back_from_every_field", run: func(k *kit) {
		for i, v := range odd {
			list := []string{v, "", v}
			c := k.code(fmt.Sprint(i))
			c.Kind, c.ClientID, c.GrantID, c.RedirectURI, c.CodeChallenge = storage.CodeKind(v), v, v, v, v
			c.Request, c.Confirmation, c.Nonce = []byte(v), []byte(v), v
			t := k.token(fmt.Sprint(i))
			t.Kind, t.ClientID, t.GrantID, t.Scopes, t.Resources, t.Claims = storage.TokenKind(v), v, v, list, list, []byte(v)
			t.Confirmation, t.AuthorizationDetails, t.Actor, t.Subject = []byte(v), []byte(v), []byte(v), v
			g := k.grant(v, v)
			g.Scopes, g.Resources, g.ACR, g.AMR, g.AuthorizationDetails, g.Claims, g.ClaimsLocales, g.SessionID = list, list, v, list, []byte(v), []byte(v), v, v
			s := k.consent(v, v)
			s.Scopes, s.Resources = list, list
			k.commit(storage.Write{Codes: []storage.Code{c}, Tokens: []storage.Token{t}, Grants: []storage.Grant{g}, Consents: []storage.Consent{s}})
			k.wantCode(c)
			k.wantToken(t)
			k.wantGrant(g)
			k.wantConsent(s)
			k.commit(storage.Write{
				ConsumeTokens: []storage.Consumption{{Digest: t.Digest, Answer: []byte(v)}},
				Revoke:        []storage.Revocation{{GrantID: g.ID, Reason: v}},
			})
			t.ConsumedAt, t.Answer = k.now, []byte(v)
			k.wantToken(t)
			g.RevokedAt, g.RevokedReason = k.now, v
			k.wantGrant(g)
		}
	}},
	{name: "odd_values/subjects_are_kept_apart", run: func(k *kit) {
		grants := make([]storage.Grant, len(odd))
		for i, subject := range odd {
			grants[i] = k.grant(subject, "app")
			k.commit(storage.Write{Grants: []storage.Grant{grants[i]}, Consents: []storage.Consent{k.consent(subject, "app")}})
		}
		for i, subject := range odd {
			k.wantGrants(subject, grants[i])
			got, err := k.store.ListConsents(k.ctx, subject, "", 100)
			k.want(&got, err, &[]storage.Consent{k.consent(subject, "app")})
		}
		for i, subject := range odd {
			if subject == "" {
				continue // a Revocation with no Subject is not about one
			}
			k.commit(storage.Write{Revoke: []storage.Revocation{{Subject: subject}}})
			grants[i].RevokedAt = k.now
			for j, g := range grants {
				k.wantGrant(g)
				c, err := k.store.Consent(k.ctx, odd[j], "app")
				if gone(k, c, err) != !g.RevokedAt.IsZero() {
					k.Fatalf("revoking %.20q: wrong consent of %.20q", subject, odd[j])
				}
			}
		}
	}},
	{name: "odd_values/subject_and_client_do_not_run_together", run: func(k *kit) {
		var all []storage.Consent
		for _, pair := range [][2]string{
			{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"a\x00", "c"}, {"a", "\x00c"}, {"a:b", "c"}, {"a", "b:c"},
		} {
			c := k.consent(pair[0], pair[1])
			c.Scopes = []string{fmt.Sprintf("%q", pair)}
			all = append(all, c)
		}
		k.commit(storage.Write{Consents: all})
		for _, c := range all {
			k.wantConsent(c)
		}
	}},
	{name: "odd_values/clients_are_kept_apart", run: func(k *kit) {
		for _, id := range odd {
			if id != "" {
				k.putClient(storage.Client{ID: id, Name: id, RedirectURIs: []string{id}})
			}
		}
		for _, id := range odd {
			if id != "" {
				k.wantClient(storage.Client{ID: id, Name: id, RedirectURIs: []string{id}})
			}
		}
		got, err := k.store.ListClients(k.ctx, "", len(odd)+1)
		if err != nil || len(got) != len(odd)-1 {
			k.Fatalf("ListClients: got %d clients, %v, want %d", len(got), err, len(odd)-1)
		}
	}},
	{name: "odd_values/clients_are_kept_apart_when_revoked", run: func(k *kit) {
		grants := make([]storage.Grant, len(odd))
		for i, client := range odd {
			grants[i] = k.grant("alice", client)
			k.commit(storage.Write{Grants: []storage.Grant{grants[i]}, Consents: []storage.Consent{k.consent("alice", client)}})
		}
		for i, client := range odd {
			if client == "" {
				continue // without a ClientID it is about all
			}
			if i%2 == 1 {
				k.commit(storage.Write{Revoke: []storage.Revocation{{Subject: "alice", ClientID: client}}})
				grants[i].RevokedAt = k.now
			}
		}
		for i, g := range grants {
			k.wantGrant(g)
			c, err := k.store.Consent(k.ctx, "alice", odd[i])
			if gone(k, c, err) != !g.RevokedAt.IsZero() {
				k.Fatalf("client %d, %.20q: wrong consent withdrawn", i, odd[i])
			}
		}
	}},
	{name: "odd_values/key_material", run: func(k *kit) {
		r := k.ring(1, "")
		for _, v := range odd {
			r.Keys = append(r.Keys, storage.Key{ID: v, Algorithm: v, Material: []byte(v)})
		}
		k.swap(r)
		k.wantRing(r)
	}},
	{name: "odd_values/times", run: func(k *kit) {
		zone := time.FixedZone("far east", 14*3600)
		c := k.code("a")
		c.IssuedAt = time.Date(1969, 12, 31, 23, 59, 59, 123456000, time.UTC)
		c.ExpiresAt = time.Date(2999, 1, 1, 0, 0, 0, 1000, zone)
		k.commit(storage.Write{Codes: []storage.Code{c}})
		k.wantCode(c)
		at := k.now.In(zone).Add(time.Second + 7*time.Microsecond)
		k.commit(storage.Write{At: at, ConsumeCodes: []storage.Digest{c.Digest}})
		c.ConsumedAt = at
		k.wantCode(c)
		t := storage.Token{Digest: k.digest("a"), Kind: storage.AccessToken, ExpiresAt: k.now.Add(time.Hour)} // no IssuedAt
		k.commit(storage.Write{Tokens: []storage.Token{t}})
		k.wantToken(t)

		// The same everywhere.
		at = k.now.Add(-time.Second + 123*time.Microsecond).In(zone)
		end := k.now.Add(time.Hour + 457*time.Microsecond).In(zone)
		t = k.token("b")
		t.IssuedAt, t.ExpiresAt, t.ConsumedAt, t.RevokedAt = at, end, at, at
		g, s := k.grant("alice", "app"), k.consent("alice", "app")
		g.AuthTime, g.CreatedAt, g.ExpiresAt, g.RevokedAt = at, at, end, at
		s.GrantedAt, s.ExpiresAt = at, end
		k.commit(storage.Write{Tokens: []storage.Token{t}, Grants: []storage.Grant{g}, Consents: []storage.Consent{s}})
		k.wantToken(t)
		k.wantGrant(g)
		k.wantConsent(s)
		client, ring := k.client("app"), k.ring(1, "a")
		client.CreatedAt, client.Secrets[0].ExpiresAt = at, end
		ring.Keys[0].CreatedAt, ring.Keys[0].ActiveAt, ring.Keys[0].RetiredAt, ring.Keys[0].ExpiresAt = at, at, end, end
		k.putClient(client)
		k.wantClient(client)
		k.swap(ring)
		k.wantRing(ring)
	}},
}
