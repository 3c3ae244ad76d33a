package db

import (
	"context"
	"database/sql/driver"
	"strings"
)

// sqliteInsert holds the prepared statements of one table: for one row and for
// sizes of many.
type sqliteInsert struct {
	stmts [len(insertSizes)]driver.StmtExecContext
}

// insertSizes are the numbers of rows per statement, largest first.
var insertSizes = [...]int{16, 4, 1}

// maxParameters is SQLite's limit for one statement.
const maxParameters = 32766

func (e *sqliteEngine) insert(s *staged) error {
	in := e.inserts[s.t]
	if in == nil {
		in = new(sqliteInsert)
		e.inserts[s.t] = in
	}
	n := len(s.t.cols)
	rest := s.values
	for i, size := range insertSizes {
		if size*n > maxParameters {
			continue
		}
		for len(rest) >= size*n {
			if in.stmts[i] == nil {
				st, err := e.prepared(insertText(s.t, size))
				if err != nil {
					return err
				}
				in.stmts[i] = st
			}
			e.args = e.args[:0]
			for j, v := range rest[:size*n] {
				e.args = append(e.args, driver.NamedValue{Ordinal: j + 1, Value: v})
			}
			if _, err := in.stmts[i].ExecContext(context.Background(), e.args); err != nil {
				return err
			}
			rest = rest[size*n:]
		}
	}
	return nil
}

func insertText(t *Table, rows int) string {
	row := "(?" + strings.Repeat(",?", len(t.cols)-1) + ")"
	return "insert or fail into " + t.Name + " (" + strings.Join(t.Columns, ", ") + ") values " +
		row + strings.Repeat(","+row, rows-1) + t.conflict()
}
