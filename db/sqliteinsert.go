package db

import (
	"context"
	"database/sql/driver"
	"strings"
)

// insert writes the rows of one table, each with one run of the same statement. A statement of many rows costs
// more: SQLite copies every page that it changes, to be able to take the statement back.
func (e *sqliteEngine) insert(s *staged) error {
	st := e.inserts[s.t]
	if st == nil {
		var err error
		if st, err = e.prepared(insertText(s.t)); err != nil {
			return err
		}
		e.inserts[s.t] = st
	}
	n := len(s.t.cols)
	for rest := s.values; len(rest) > 0; rest = rest[n:] {
		e.args = e.args[:0]
		for j, v := range rest[:n] {
			e.args = append(e.args, driver.NamedValue{Ordinal: j + 1, Value: v})
		}
		if _, err := st.ExecContext(context.Background(), e.args); err != nil {
			return err
		}
	}
	return nil
}

func insertText(t *Table) string {
	return "insert into " + t.Name + " (" + strings.Join(t.Columns, ", ") + ") values (?" + strings.Repeat(",?", len(t.cols)-1) + ")" +
		t.conflict()
}
