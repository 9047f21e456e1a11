package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every test of package interop is some client's.
func TestEveryTestIsAClients(t *testing.T) {
	files, err := filepath.Glob("../../interop/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") || f.Name.Name == "TestMain" {
				continue
			}
			known := false
			for test := range clients {
				known = known || test == f.Name.Name || strings.HasPrefix(test, f.Name.Name+"/")
			}
			if !known {
				t.Errorf("%s: %s has no client in main.go", name, f.Name.Name)
			}
		}
	}
}

func TestRows(t *testing.T) {
	for test, want := range map[string]row{
		"TestGoErrors":                                         {"golang.org/x/oauth2", "GoErrors"},
		"TestJavaScript/oauth4webapi/refresh":                  {"oauth4webapi", "refresh"},
		"TestJavaScriptSigned/openid_client_signed/jarm_query": {"openid-client", "signed, jarm query"},
		"TestJavaScriptBackchannel/openid_client_denied":       {"openid-client", "denied"},
		"TestMCPConformance_guarded_server/2026_tools-list":    {"MCP conformance suite", "guarded server: 2026 tools-list"},
		"TestMCPSDK/v2/registration":                           {"@modelcontextprotocol/client", "v2, registration"},
	} {
		if got := rowOf(test); got != want {
			t.Errorf("%s: %+v", test, got)
		}
	}
	m := matrix{backends: []string{"bolt", "memory"}, results: map[row]map[string]string{{"oauth4webapi", "refresh"}: {"bolt": "✓"}}}
	got := m.markdown(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), map[string]string{"oauth4webapi": "1.2.3"})
	if !strings.HasSuffix(got, "| client | version | flow | bolt | memory |\n|---|---|---|---|---|\n| oauth4webapi | 1.2.3 | refresh | ✓ | – |\n") {
		t.Error(got)
	}
}
