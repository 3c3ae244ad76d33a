package db_test

import (
	"context"
	"testing"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

var notes = &db.Table{Name: "note", Columns: []string{"pos", "leaf", "name", "body", "extra"},
	Types: []string{"bigint", "bigint", "text", "bytea", "text"}}

// makeNotes makes the tests' own tables.
func makeNotes(t testing.TB, d *db.DB) {
	t.Helper()
	blob := "bytea"
	if !d.Postgres() {
		blob = "blob"
	}
	err := d.Write(context.Background(), "make notes", nil, func(tx *db.Tx) error {
		for _, q := range []string{
			"create table if not exists note (pos int primary key, leaf int, name text not null, body " + blob + ", extra text)",
			"create table if not exists pair (a text, b int, v text, primary key (a, b))",
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteAndRead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		ctx := context.Background()
		var pos *db.Num
		after := false
		err := d.Write(ctx, "note", []db.Key{7}, func(tx *db.Tx) error {
			if v, _, ok := tx.Head(7); ok || v != 0 {
				t.Errorf("head of a new key: version %d, %v", v, ok)
			}
			tx.SetHead(7, []byte("one"))
			pos = tx.Number(db.Stream)
			tx.Append(notes, pos, tx.Number(db.Leaf), "a", []byte{1, 2}, nil)
			tx.After(func() { after = true })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !after || pos.Value() != 1 {
			t.Errorf("after %v, position %d", after, pos.Value())
		}
		var body []byte
		if err := d.QueryRow(ctx, `select body from note where pos = $1 and name = $2`, 1, "a").Scan(&body); err != nil || len(body) != 2 {
			t.Errorf("body %v, %v", body, err)
		}
		if v, value, ok, err := d.Head(ctx, 7); v != 1 || string(value) != "one" || !ok || err != nil {
			t.Errorf("head %d %s %v %v", v, value, ok, err)
		}
		if p, err := d.Position(ctx); p != 1 || err != nil {
			t.Errorf("position %d, %v", p, err)
		}
	})
}
