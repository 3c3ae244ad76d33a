package db_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

// TestOneText runs queries that the databases' own drivers understand differently.
func TestOneText(t *testing.T) {
	type room string
	for _, q := range []struct {
		text string
		args []any
		want string
	}{
		{`select $2, $1, $2`, []any{"one", "two"}, "two one two"},
		{`select 'it costs $1', $1 -- and $2`, []any{"x"}, "it costs $1 x"},
		{`select 'a' /* $9 */, $1`, []any{"x"}, "a x"},
		{`select 'it''s $1', $1`, []any{"x"}, "it's $1 x"},
		{`select count(*), 'x' from position where one = any($1)`, []any{[]int64{1, 2}}, "1 x"},
		{`select count(*), 'x' from position where one = any($1)`, []any{[]int64{}}, "0 x"},
		{`select count(*), 'x' from position where one <> all($1)`, []any{[]int64{1, 2}}, "0 x"},
		{`select count(*), 'x' from schema_file where name = any( $1 ) and name = any($2)`, []any{[]room{"01-db.sql", "é\"'"}, []string{"01-db.sql"}}, "1 x"},
		{`select one, 'x' from position where one = $1`, []any{true}, "1 x"},
		{`select count(*), 'x' from position where one = $1 or one = $2`, []any{false, int64(3)}, "0 x"},
	} {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			ctx := context.Background()
			for range 2 { // the second time prepared
				rows, err := d.Query(ctx, q.text, q.args...)
				if err != nil {
					t.Fatalf("%s: %v", q.text, err)
				}
				columns, _ := rows.Columns()
				got := ""
				for rows.Next() {
					v := make([]string, len(columns))
					p := make([]any, len(columns))
					for i := range v {
						p[i] = &v[i]
					}
					if err := rows.Scan(p...); err != nil {
						t.Fatal(err)
					}
					for i := range v {
						if i > 0 {
							got += " "
						}
						got += v[i]
					}
				}
				rows.Close()
				if got != q.want {
					t.Errorf("%s: %q, want %q", q.text, got, q.want)
				}
				var a, b string
				if err := d.QueryRow(ctx, q.text, q.args...).Scan(&a, &b); len(columns) == 2 && (err != nil || a+" "+b != q.want) {
					t.Errorf("%s: row %q %q, %v", q.text, a, b, err)
				}
			}
		})
	}
}

func TestQueryErrors(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		var n int
		for _, q := range []struct {
			text string
			args []any
		}{
			{`select nothing from nowhere`, nil},
			{`select 1 where 1 = any($1)`, []any{5}},
			{`select 1 where 1 = any($2)`, []any{[]int64{1}}},
		} {
			if rows, err := d.Query(ctx, q.text, q.args...); err == nil {
				for rows.Next() {
				}
				if rows.Close(); rows.Err() == nil {
					t.Errorf("%s: no error", q.text)
				}
			}
			if err := d.QueryRow(ctx, q.text, q.args...).Scan(&n); err == nil {
				t.Errorf("%s: no error from QueryRow", q.text)
			}
			err := d.Write(ctx, "query", nil, func(tx *db.Tx) error { return tx.QueryRow(q.text, q.args...).Scan(&n) })
			if err == nil {
				t.Errorf("%s: no error inside a write", q.text)
			}
		}
		// Reads must not write, on SQLite; on PostgreSQL nothing keeps them from it but this rule.
		if !d.Postgres() {
			if _, err := d.Query(ctx, `delete from position returning one`); err == nil {
				t.Error("a read could delete")
			}
		}
	})
}

// TestManyTexts goes beyond what is kept prepared.
func TestManyTexts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for i := range 1100 {
			var got int
			if err := d.QueryRow(context.Background(), fmt.Sprintf(`select %d + one from position where one = $1`, i), 1).Scan(&got); err != nil || got != i+1 {
				t.Fatalf("%d: %d, %v", i, got, err)
			}
		}
		rows, err := d.Query(context.Background(), `select 5000 from position where one = $1`, 1)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		err = d.Write(context.Background(), "texts", nil, func(tx *db.Tx) error {
			for i := range 1100 {
				var got int
				if err := tx.QueryRow(fmt.Sprintf(`select %d + one from position where one = $1`, i), 1).Scan(&got); err != nil || got != i+1 {
					return fmt.Errorf("%d: %d, %w", i, got, err)
				}
			}
			if _, err := tx.Exec(`update head set version = 9 where key = $1`, -1); err != nil {
				return err
			}
			rows, err := tx.Query(`select 7 from position where one = $1`, 1)
			if err != nil {
				return err
			}
			return rows.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
