package dbtest_test

import (
	"context"
	"os"
	"testing"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

func TestEachHasItsOwnDatabase(t *testing.T) {
	for range 2 {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			if p, err := d.Position(context.Background()); p != 0 || err != nil {
				t.Errorf("position %d, %v", p, err)
			}
			if err := d.Write(context.Background(), "number", nil, func(tx *db.Tx) error {
				tx.Number(db.Stream)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if os.Getenv("MYELIN_TEST_POSTGRES") == "" && dbtest.PostgresCPU() == 0 {
		t.Error("PostgreSQL used no processor time")
	}
}

func TestEmpty(t *testing.T) {
	d := dbtest.Open(t, db.Options{URL: dbtest.EmptyPostgresURL(t)})
	if p, err := d.Position(context.Background()); p != 0 || err != nil {
		t.Errorf("position %d, %v", p, err)
	}
}

func TestDelay(t *testing.T) {
	t.Setenv("MYELIN_TEST_COMMIT_DELAY", "7ms")
	if d := dbtest.Delay(t); d.Milliseconds() != 7 {
		t.Errorf("delay %v", d)
	}
}
