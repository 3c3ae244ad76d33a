package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// ErrNewer is returned by Open for a database that a newer version has written.
var ErrNewer = errors.New("the database was made by a newer version of Myelin")

type dialect string

const (
	sqliteDialect   dialect = "sqlite"
	postgresDialect dialect = "postgres"
)

// schemaFile is one step of the schema. It is never edited once released.
type schemaFile struct {
	name, text, sum string
}

func schemaSteps(from fs.FS) ([]schemaFile, error) {
	names, err := fs.Glob(from, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	var out []schemaFile
	for _, n := range names { // Glob sorts
		b, err := fs.ReadFile(from, n)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		out = append(out, schemaFile{name: strings.TrimPrefix(n, "schema/"), text: string(b), sum: hex.EncodeToString(sum[:])})
	}
	return out, nil
}

func migrate(ctx context.Context, conn *sql.Conn, d dialect) error {
	steps, err := schemaSteps(schemaFiles)
	if err != nil {
		return err
	}
	return migrateWith(ctx, conn, d, steps)
}

// migrateWith applies the steps that were not applied yet, each in a transaction
// of its own.
func migrateWith(ctx context.Context, conn *sql.Conn, d dialect, steps []schemaFile) error {
	table, err := translate(`create table if not exists schema_file (name text primary key, sum text not null, applied bigint not null);`, d)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, table); err != nil {
		return fmt.Errorf("create the table of schema files: %w", err)
	}
	applied, err := appliedFiles(ctx, conn)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, s := range steps {
		known[s.name] = true
	}
	for name := range applied {
		if !known[name] {
			return fmt.Errorf("%w: it has the schema file %s", ErrNewer, name)
		}
	}
	for _, s := range steps {
		if sum, ok := applied[s.name]; ok {
			if sum != s.sum {
				return fmt.Errorf("schema file %s was changed after it was applied to this database", s.name)
			}
			continue
		}
		if err := s.apply(ctx, conn, d); err != nil {
			return fmt.Errorf("schema file %s: %w", s.name, err)
		}
	}
	return nil
}

func appliedFiles(ctx context.Context, conn *sql.Conn) (map[string]string, error) {
	rows, err := conn.QueryContext(ctx, `select name, sum from schema_file`)
	if err != nil {
		return nil, fmt.Errorf("read the table of schema files: %w", err)
	}
	defer rows.Close()
	applied := map[string]string{}
	for rows.Next() {
		var name, sum string
		if err := rows.Scan(&name, &sum); err != nil {
			return nil, err
		}
		applied[name] = sum
	}
	return applied, rows.Err()
}

func (s schemaFile) apply(ctx context.Context, conn *sql.Conn, d dialect) error {
	text, err := translate(s.text, d)
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if strings.TrimSpace(text) != "" {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	q := `insert into schema_file (name, sum, applied) values ($1, $2, $3)`
	if d == sqliteDialect {
		q = rewrite(q).text
	}
	if _, err := tx.ExecContext(ctx, q, s.name, s.sum, time.Now().UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}

var (
	onlyLine    = regexp.MustCompile(`^\s*-- only: (postgres|sqlite)(?: for next (\d+) lines| until "end only")?\s*$`)
	onlyEnd     = regexp.MustCompile(`^\s*-- end only (postgres|sqlite)\s*$`)
	onlyTrailer = regexp.MustCompile(`^(.*\S)\s*-- only: (postgres|sqlite)\s*$`)

	createTable = regexp.MustCompile(`(?is)^\s*create\s+table\b`)
	noRowid     = regexp.MustCompile(`(?i)\bwithout\s+rowid\b`)
	hasStrict   = regexp.MustCompile(`(?i)\bstrict\s*$`)
	serialKey   = regexp.MustCompile(`(?i)\bbigserial\s+primary\s+key\b`)
	bigintWord  = regexp.MustCompile(`(?i)\bbigint\b`)
	byteaWord   = regexp.MustCompile(`(?i)\bbytea\b`)
)

// translate makes one database's schema text out of the common one:
//
//   - `-- only: sqlite` alone on a line is for the next line, with `for next N
//     lines` or `until "end only"` (ended by `-- end only sqlite`) for several;
//     at the end of a line it is for that line. The other database skips them.
//   - SQLite gets integer for bigint, blob for bytea, `integer primary key
//     autoincrement` for `bigserial primary key`, and every table is strict.
//   - PostgreSQL drops `without rowid`.
func translate(text string, d dialect) (string, error) {
	lines, err := onlyFor(strings.Split(text, "\n"), d)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, st := range statements(strings.Join(lines, "\n")) {
		if d == postgresDialect {
			st = noRowid.ReplaceAllString(st, "")
		} else {
			st = unquoted(st, func(s string) string {
				s = serialKey.ReplaceAllString(s, "integer primary key autoincrement")
				return byteaWord.ReplaceAllString(bigintWord.ReplaceAllString(s, "integer"), "blob")
			})
			if st = strings.TrimRight(st, " \t\n"); createTable.MatchString(st) && !hasStrict.MatchString(st) {
				if noRowid.MatchString(st) {
					st += ","
				}
				st += " strict"
			}
		}
		if strings.TrimSpace(st) != "" {
			out.WriteString(st)
			out.WriteString(";")
		}
	}
	if out.Len() > 0 {
		out.WriteString("\n")
	}
	return out.String(), nil
}

// unquoted applies f to what is not quoted.
func unquoted(s string, f func(string) string) string {
	var b strings.Builder
	from := 0
	for i := 0; i < len(s); {
		end := skipQuoted(s, i)
		if end == i {
			i++
			continue
		}
		b.WriteString(f(s[from:i]))
		b.WriteString(s[i:end])
		from, i = end, end
	}
	b.WriteString(f(s[from:]))
	return b.String()
}

func onlyFor(lines []string, d dialect) ([]string, error) {
	var out []string
	for i := 0; i < len(lines); i++ {
		if m := onlyTrailer.FindStringSubmatch(lines[i]); m != nil {
			if m[2] == string(d) {
				out = append(out, m[1])
			}
			continue
		}
		m := onlyLine.FindStringSubmatch(lines[i])
		if m == nil {
			out = append(out, lines[i])
			continue
		}
		mine := m[1] == string(d)
		n := 1
		if m[2] != "" {
			n, _ = strconv.Atoi(m[2])
		} else if strings.Contains(lines[i], "until") {
			n = 0
			for i+1+n < len(lines) && !onlyEnd.MatchString(lines[i+1+n]) {
				n++
			}
			if i+1+n == len(lines) {
				return nil, fmt.Errorf("line %d: no `-- end only %s`", i+1, m[1])
			}
			lines[i+1+n] = ""
		}
		if i+n >= len(lines) {
			return nil, fmt.Errorf("line %d: not enough lines follow", i+1)
		}
		if mine {
			out = append(out, lines[i+1:i+1+n]...)
		}
		i += n
	}
	return out, nil
}

// statements drops comments and splits at semicolons outside of quotes. The parts of a
// trigger come out as several, which is of no matter: they are joined again.
func statements(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); {
		if end := skipQuoted(s, i); end > i {
			if s[i] == '\'' || s[i] == '"' {
				b.WriteString(s[i:end])
			} else {
				b.WriteByte('\n')
			}
			i = end
			continue
		}
		if strings.HasPrefix(s[i:], "$$") {
			if end := strings.Index(s[i+2:], "$$"); end >= 0 {
				b.WriteString(s[i : i+end+4])
				i += end + 4
				continue
			}
		}
		if s[i] == ';' {
			out = append(out, b.String())
			b.Reset()
		} else {
			b.WriteByte(s[i])
		}
		i++
	}
	return append(out, b.String())
}
