package db_test

import (
	"context"
	"flag"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

var update = flag.Bool("update", false, "write the live schemas to schema.*.sql instead of comparing")

// TestSchema compares what the schema files made with the committed dumps, which
// are what a person reads. Run with -update (or MYELIN_UPDATE_SCHEMA=1) after adding a file.
func TestSchema(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		name, dump := "schema.sqlite.sql", dumpSQLite
		if d.Postgres() {
			name, dump = "schema.postgres.sql", dumpPostgres
		}
		got := "-- The schema after all files of schema/. Made by: go test ./db -run TestSchema -update\n\n" + dump(t, d)
		if *update || os.Getenv("MYELIN_UPDATE_SCHEMA") != "" {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("the live schema is not %s; run: go test ./db -run TestSchema -update\n%s", name, firstDifference(got, string(want)))
		}
	})
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			other := "the end"
			if i < len(w) {
				other = w[i]
			}
			return "live: " + g[i] + "\nfile: " + other
		}
	}
	return "the file has more lines"
}

func lines(t *testing.T, d *db.DB, q string, args ...any) []string {
	t.Helper()
	rows, err := d.Query(context.Background(), q, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func dumpSQLite(t *testing.T, d *db.DB) string {
	all := lines(t, d, `select sql from sqlite_schema where sql is not null and name not like 'sqlite_%' order by tbl_name, type desc, name`)
	for i, s := range all {
		all[i] = tidy(s) + ";\n"
		if !strings.HasPrefix(strings.ToLower(s), "create table") {
			continue
		}
		if !strings.HasSuffix(strings.ToLower(s), "strict") {
			t.Errorf("a table is not strict: %s", s)
		}
	}
	return strings.Join(all, "\n")
}

// tidy drops empty lines, which comments leave behind.
func tidy(s string) string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if strings.TrimSpace(l) != "" {
			out = append(out, strings.TrimRight(l, " \t"))
		}
	}
	return strings.Join(out, "\n")
}

func dumpPostgres(t *testing.T, d *db.DB) string {
	tables := lines(t, d, `select c.oid::regclass::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'`)
	sort.Strings(tables)
	var out []string
	for _, table := range tables {
		parts := lines(t, d, `select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end || `+
			`case when a.attidentity <> '' then ' generated as identity' when a.atthasdef then ' default ' || pg_get_expr(f.adbin, f.adrelid) else '' end `+
			`from pg_attribute a left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum `+
			`where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum`, table)
		parts = append(parts, lines(t, d, `select pg_get_constraintdef(oid) from pg_constraint where conrelid = $1::text::regclass order by contype desc, conname`, table)...)
		options := lines(t, d, `select ' with (' || array_to_string(reloptions, ', ') || ')' from pg_class where oid = $1::text::regclass and reloptions is not null`, table)
		out = append(out, "create table "+table+" (\n\t"+strings.Join(parts, ",\n\t")+"\n)"+strings.Join(options, "")+";\n")
		for _, index := range lines(t, d, `select pg_get_indexdef(i.indexrelid) from pg_index i where i.indrelid = $1::text::regclass and `+
			`not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid) order by 1`, table) {
			out = append(out, index+";\n")
		}
	}
	for _, f := range lines(t, d, `select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace order by proname`) {
		out = append(out, tidy(f)+";\n")
	}
	for _, f := range lines(t, d, `select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by tgname`) {
		out = append(out, f+";\n")
	}
	return strings.Join(out, "\n")
}
