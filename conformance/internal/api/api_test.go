// Package api holds the exported names of all public packages against a list.
package api_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

var update = flag.Bool("update", false, "write the list anew")

// TestAPI compares every exported name of every package that others can import, with its
// signature, with conformance/testdata/api.txt, so that no name comes, goes or changes by accident. After a
// change that is meant:
//
//	go test ./conformance/internal/api -update
func TestAPI(t *testing.T) {
	const golden = root + "/conformance/testdata/api.txt"
	ours := []string{root + "/conformance/browser", root + "/conformance/faults"} // kits of this project's own tests
	var all []string
	for _, folder := range publicFolders(t) {
		if slices.Contains(ours, filepath.ToSlash(folder)) {
			continue
		}
		lines := exported(t, folder)
		slices.Sort(lines)
		all = append(all, lines...)
	}
	got := strings.Join(all, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for _, line := range all {
		if !slices.Contains(want, line) {
			t.Errorf("new, or changed: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(all, line) {
			t.Errorf("gone, or changed: %s", line)
		}
	}
	if !t.Failed() && string(text) != got {
		t.Errorf("%s has the lines in another order", golden)
	}
}

// publicFolders are those with packages that others can import.
func publicFolders(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		_, ownModule := os.Stat(filepath.Join(path, "go.mod"))
		switch name := d.Name(); {
		case name == "internal", name == "testdata", name == "examples", name == "node_modules", strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"), ownModule == nil:
			return fs.SkipDir
		}
		all = append(all, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// exported are the exported names of a package, one a line; none for a folder without a package,
// or with a program.
func exported(t *testing.T, folder string) []string {
	t.Helper()
	// Linux for all: the list is the same wherever the test runs.
	platform := build.Context{GOOS: "linux", GOARCH: "amd64", Compiler: "gc", GOROOT: build.Default.GOROOT, ReleaseTags: build.Default.ReleaseTags}
	found, err := platform.ImportDir(folder, 0)
	if err != nil {
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		t.Fatal(err)
	}
	if found.Name == "main" {
		return nil
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range found.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(folder, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	path, err := filepath.Rel(root, folder)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := doc.NewFromFiles(set, files, "github.com/grantor-oauth/grantor/"+filepath.ToSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	l := &lister{t: t, set: set, prefix: filepath.ToSlash(path) + ": "}
	l.values("const", pkg.Consts)
	l.values("var", pkg.Vars)
	l.funcs(pkg.Funcs)
	for _, one := range pkg.Types {
		l.values("const", one.Consts)
		l.values("var", one.Vars)
		l.funcs(one.Funcs)
		l.funcs(one.Methods)
		for _, spec := range one.Decl.Specs {
			l.typ(spec.(*ast.TypeSpec))
		}
	}
	return l.lines
}

// lister lists what is exported.
type lister struct {
	t      *testing.T
	set    *token.FileSet
	prefix string
	lines  []string
}

func (l *lister) add(format string, args ...any) {
	l.lines = append(l.lines, l.prefix+fmt.Sprintf(format, args...))
}

// text is a piece of source on one line.
func (l *lister) text(node any) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, l.set, node); err != nil {
		l.t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// values lists constants with their types and values, and variables with their types, or with
// what makes them where it says no type.
func (l *lister) values(kind string, groups []*doc.Value) {
	for _, group := range groups {
		var kept ast.Expr // the type of an enumeration
		for _, one := range group.Decl.Specs {
			spec := one.(*ast.ValueSpec)
			if spec.Type != nil || len(spec.Values) > 0 {
				kept = spec.Type
			}
			for i, name := range spec.Names {
				if !name.IsExported() {
					continue
				}
				line := kind + " " + name.Name
				if kept != nil {
					line += " " + l.text(kept)
				}
				if i < len(spec.Values) && (kind == "const" || kept == nil) {
					line += " = " + l.value(kind, spec.Values[i])
				}
				l.add("%s", line)
			}
		}
	}
}

func (l *lister) value(kind string, e ast.Expr) string {
	switch made := e.(type) {
	case *ast.CallExpr:
		if kind == "var" {
			return l.text(made.Fun) + "(…)"
		}
	case *ast.FuncLit:
		return l.text(made.Type)
	case *ast.CompositeLit:
		return l.text(made.Type) + "{…}"
	}
	return l.text(e)
}

func (l *lister) funcs(all []*doc.Func) {
	for _, one := range all {
		declared := *one.Decl
		declared.Body, declared.Doc = nil, nil
		l.add("%s", l.text(&declared))
	}
}

func (l *lister) typ(spec *ast.TypeSpec) {
	name := spec.Name.Name
	if spec.TypeParams != nil {
		name += "[" + l.fields(spec.TypeParams) + "]"
	}
	if spec.Assign.IsValid() {
		name += " ="
	}
	switch made := spec.Type.(type) {
	case *ast.StructType:
		l.add("type %s struct", name)
		l.members(spec.Name.Name, "field", made.Fields)
	case *ast.InterfaceType:
		l.add("type %s interface", name)
		l.members(spec.Name.Name, "method", made.Methods)
		if made.Incomplete {
			l.add("type %s, with what others cannot implement", spec.Name.Name)
		}
	default:
		l.add("type %s %s", name, l.text(spec.Type))
	}
}

// members lists the fields of a struct, or the methods of an interface.
func (l *lister) members(of, kind string, list *ast.FieldList) {
	for _, one := range list.List {
		tag := ""
		if one.Tag != nil {
			tag = " " + one.Tag.Value
		}
		if len(one.Names) == 0 {
			l.add("type %s, embedded %s%s", of, l.text(one.Type), tag)
		}
		for _, name := range one.Names {
			if !name.IsExported() {
				continue
			}
			what := name.Name + " " + l.text(one.Type)
			if f, ok := one.Type.(*ast.FuncType); ok && kind == "method" {
				what = name.Name + strings.TrimPrefix(l.text(f), "func")
			}
			l.add("type %s, %s %s%s", of, kind, what, tag)
		}
	}
}

func (l *lister) fields(list *ast.FieldList) string {
	var all []string
	for _, one := range list.List {
		var names []string
		for _, name := range one.Names {
			names = append(names, name.Name)
		}
		all = append(all, strings.Join(names, ", ")+" "+l.text(one.Type))
	}
	return strings.Join(all, ", ")
}
