// Package myelin holds the rules of the house as tests: who may import whom,
// that each package says what it is, that each table has one writer, and that
// logs carry no content.
package myelin

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/myelin-health/myelin/"

// layers, from the top down. A package imports packages of lower layers only,
// or of its own where the layer says so.
var layers = []struct {
	packages []string // path prefixes
	within   bool     // packages of this layer may import each other
}{
	{[]string{"cmd", "bench"}, false},
	{[]string{"servertest"}, false},
	{[]string{"demo"}, false},
	{[]string{"server"}, false},
	{[]string{"homeserver/clientapi"}, false},
	{[]string{"homeserver/feed"}, false},
	{[]string{"homeserver"}, true},
	{[]string{"audit", "rest", "cluster", "web", "outgoing"}, false},
	{[]string{"access"}, false},
	{[]string{"db/dbtest"}, false},
	{[]string{"db", "seal"}, false},
	{[]string{"matrix"}, true},
	{[]string{"fault", "config", "stream"}, false},
}

func layerOf(pkg string) int {
	best, length := -1, -1
	for i, layer := range layers {
		for _, prefix := range layer.packages {
			if (pkg == prefix || strings.HasPrefix(pkg, prefix+"/")) && len(prefix) > length {
				best, length = i, len(prefix)
			}
		}
	}
	return best
}

type source struct {
	pkg, name string
	file      *ast.File
	test      bool
}

func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || base == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path.Dir(filepath.ToSlash(name)), name, file, strings.HasSuffix(name, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, all
}

func TestImportsGoDownOnly(t *testing.T) {
	_, all := sources(t)
	for _, s := range all {
		if s.test || s.pkg == "." {
			continue
		}
		from := layerOf(s.pkg)
		if from < 0 {
			t.Errorf("%s: package %s has no layer", s.name, s.pkg)
			continue
		}
		for _, spec := range s.file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			pkg, ours := strings.CutPrefix(imported, module)
			if !ours {
				checkOutside(t, s, imported)
				continue
			}
			if to := layerOf(pkg); to < from || (to == from && !layers[from].within) {
				t.Errorf("%s: %s may not import %s", s.name, s.pkg, pkg)
			}
		}
	}
}

// checkOutside holds the rules on imports that are not ours.
func checkOutside(t *testing.T, s source, imported string) {
	t.Helper()
	if strings.HasPrefix(s.pkg, "matrix/") {
		for _, banned := range []string{"net/http", "database/sql", "os", "log/slog"} {
			if imported == banned {
				t.Errorf("%s: the protocol is pure; it may not import %s", s.name, imported)
			}
		}
	}
	http := []string{"homeserver/clientapi", "homeserver/signin", "rest", "server", "servertest", "demo", "web", "cmd/myelin", "bench", "fault", "outgoing", "stream"}
	if imported == "net/http" && !slices.Contains(http, s.pkg) {
		t.Errorf("%s: package %s may not speak HTTP", s.name, s.pkg)
	}
	if imported == "database/sql" && slices.Contains([]string{"homeserver/clientapi", "rest", "server", "web"}, s.pkg) {
		t.Errorf("%s: package %s may not speak SQL", s.name, s.pkg)
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	_, all := sources(t)
	documented := map[string]bool{}
	for _, s := range all {
		if s.test {
			continue
		}
		text := s.file.Doc.Text()
		documented[s.pkg] = documented[s.pkg] || strings.HasPrefix(text, "Package ") || strings.HasPrefix(text, "Command ") || strings.HasPrefix(text, "Myelin ")
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", pkg)
		}
	}
	for _, s := range all {
		if base := path.Base(s.pkg); slices.Contains([]string{"util", "common", "helper", "manager", "service", "types", "internal", "pkg"}, base) {
			t.Errorf("%s: %q does not say what the package is about", s.name, base)
		}
	}
}

var writes = regexp.MustCompile(`(?i)\b(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from)\s+([a-z_][a-z0-9_.]*)`)

// A table is written by one package: by SQL text, or by a db.Table value that
// the package hands to the lane.
func TestEachTableHasOneWriter(t *testing.T) {
	_, all := sources(t)
	writers := map[string]map[string]bool{}
	record := func(table, pkg string) {
		table = strings.ToLower(table)
		if table == "set" || table == "of" || table == "on" {
			return
		}
		if writers[table] == nil {
			writers[table] = map[string]bool{}
		}
		writers[table][pkg] = true
	}
	for _, s := range all {
		if s.test || s.pkg == "." {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING && strings.ContainsAny(n.Value, " \n") {
					for _, m := range writes.FindAllStringSubmatch(n.Value, -1) {
						if sqlText(n.Value) {
							record(m[1], s.pkg)
						}
					}
				}
			case *ast.CompositeLit:
				if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Table" {
					for _, e := range n.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "Name" {
							if lit, ok := kv.Value.(*ast.BasicLit); ok {
								name, _ := strconv.Unquote(lit.Value)
								record(name, s.pkg)
							}
						}
					}
				}
			}
			return true
		})
	}
	for table, pkgs := range writers {
		if len(pkgs) > 1 {
			var names []string
			for pkg := range pkgs {
				names = append(names, pkg)
			}
			slices.Sort(names)
			t.Errorf("table %s is written by %s", table, strings.Join(names, " and "))
		}
	}
	if len(writers) < 10 {
		t.Errorf("found only %d written tables; has the way to write them changed?", len(writers))
	}
}

// sqlText tells a statement from a sentence.
func sqlText(literal string) bool {
	lower := strings.ToLower(strings.TrimLeft(literal, "`\" \t\n"))
	for _, start := range []string{"insert ", "update ", "delete ", "with "} {
		if strings.HasPrefix(lower, start) {
			return strings.Contains(lower, "(") || strings.Contains(lower, " set ") || strings.Contains(lower, " where ")
		}
	}
	return false
}

// Log attributes that would carry content, secrets or who-with-whom.
var unsaid = []string{"content", "body", "message_body", "password", "token", "access_token", "displayname", "display_name", "name", "topic",
	"secret", "key", "event", "json", "request_body", "query", "url", "user", "user_id", "sender", "patient"}

func TestLogsCarryNoContent(t *testing.T) {
	fset, all := sources(t)
	for _, s := range all {
		if s.test || s.pkg == "." || s.pkg == "bench" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch sel.Sel.Name {
			case "Info", "Warn", "Error", "Debug", "InfoContext", "WarnContext", "ErrorContext", "DebugContext", "LogAttrs":
			default:
				return true
			}
			for _, arg := range call.Args {
				checkAttribute(t, fset, arg)
			}
			if len(call.Args) > 0 {
				if _, isCall := call.Args[0].(*ast.CallExpr); isCall && strings.Contains(exprText(call.Args[0]), "Sprintf") {
					t.Errorf("%s: a log message is constant; data goes into attributes", fset.Position(call.Pos()))
				}
			}
			return true
		})
	}
}

func checkAttribute(t *testing.T, fset *token.FileSet, arg ast.Expr) {
	t.Helper()
	lit, ok := arg.(*ast.BasicLit)
	if call, isCall := arg.(*ast.CallExpr); isCall && len(call.Args) > 0 && strings.HasPrefix(exprText(call), "slog.") {
		lit, ok = call.Args[0].(*ast.BasicLit)
	}
	if !ok || lit.Kind != token.STRING {
		return
	}
	name, _ := strconv.Unquote(lit.Value)
	if slices.Contains(unsaid, name) {
		t.Errorf("%s: log attribute %q may carry content or a secret", fset.Position(arg.Pos()), name)
	}
}

func exprText(e ast.Expr) string {
	if call, ok := e.(*ast.CallExpr); ok {
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				return x.Name + "." + sel.Sel.Name
			}
		}
	}
	return ""
}

// Files and functions that nobody can hold in mind.
// What is added to Matrix has names of its own, and each is explained.
func TestExtensionsAreDescribed(t *testing.T) {
	described, err := os.ReadFile("docs/extensions.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`["']org\.myelin\.[a-z_.]*[a-z]["']`)
	for _, dir := range []string{"access", "demo", "homeserver", "matrix", "rest", "server", "web/src"} {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".go", ".ts", ".tsx"}, path.Ext(file)) {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, found := range name.FindAll(text, -1) {
				if !bytes.Contains(described, found[1:len(found)-1]) {
					t.Errorf("%s: docs/extensions.md does not say what %s is", file, found)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	fset, all := sources(t)
	for _, s := range all {
		if lines := fset.Position(s.file.End()).Line; lines > 1000 {
			t.Errorf("%s has %d lines; is there more than one thing in it?", s.name, lines)
		}
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line; lines > 120 {
					t.Errorf("%s: %s has %d lines", fset.Position(f.Pos()), f.Name.Name, lines)
				}
			}
		}
	}
}
