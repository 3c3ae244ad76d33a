package e2ee

import (
	"context"
	"database/sql"
	"errors"

	"github.com/myelin-health/myelin/db"
)

// querier is what reading needs: the database outside of transactions, or one transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// inTx reads inside a transaction, whose context is the transaction's own.
type inTx struct{ *db.Tx }

func (t inTx) Query(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.Tx.Query(query, args...)
}

type scanner func(into ...any) error

// each runs the query and calls f for every row.
func each(ctx context.Context, q querier, f func(scanner) error, query string, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// first scans the first row; found is false when there is none.
func first(ctx context.Context, q querier, into []any, query string, args ...any) (found bool, err error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	if rows.Next() {
		found = true
		err = rows.Scan(into...)
	}
	return found, errors.Join(err, rows.Err(), rows.Close())
}
