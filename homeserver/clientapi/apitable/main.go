// Command apitable reads the OpenAPI files of a checkout of the Matrix specification and writes the facts
// that the conformance test walks: one line for each operation of the client-server API.
//
//	go run ./homeserver/clientapi/apitable <matrix-spec>/api/client-server > homeserver/clientapi/testdata/operations.tsv
//
// It copies no prose: methods, paths, names of fields, their types and status codes only.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apitable <folder of OpenAPI files>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apitable:", err)
		os.Exit(1)
	}
}

// operation is what is known of one operation.
type operation struct {
	method, path string
	caller       string   // who may call: see callers
	query        []string // required parameters
	body         []string // required fields; "{}" when there is a body that requires none
	statuses     []string // that the specification names
	answer       []string // required fields of the success answer; "{}" when it is JSON that requires none
	deprecated   bool
}

func run(folder string, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no OpenAPI files", folder)
	}
	var all []operation
	for _, name := range files {
		found, err := readFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(x, y operation) int {
		return strings.Compare(x.path+" "+x.method, y.path+" "+y.method)
	})
	w := bufio.NewWriter(out)
	fmt.Fprintln(w, "# method\tpath\tcaller\tquery\tbody\tstatuses\tanswer\tdeprecated")
	for _, o := range all {
		fmt.Fprintln(w, strings.Join([]string{o.method, o.path, o.caller, list(o.query), list(o.body), list(o.statuses), list(o.answer),
			map[bool]string{true: "deprecated", false: "-"}[o.deprecated]}, "\t"))
	}
	return w.Flush()
}

func list(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ",")
}
