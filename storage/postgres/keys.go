package postgres

import (
	"context"
	"math"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// SwapKeys stores ring if the stored Revision is still ring.Revision-1, and returns
// storage.ErrConflict if it is not. Replicas that rotate at the same moment find out
// here which of them did.
func (db *DB) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	defer db.end()
	if ring.Revision == 0 || ring.Revision > math.MaxInt64 {
		return storage.ErrConflict // nothing that was ever stored comes before it
	}
	data, err := record.Encode(&ring)
	if err != nil {
		return err
	}
	swap := statement{
		"UPDATE grantor_keys SET revision = $1, record = $2 WHERE id = 1 AND revision = $3",
		[]any{int64(ring.Revision), data, int64(ring.Revision - 1)},
	}
	if ring.Revision == 1 {
		swap = statement{
			"INSERT INTO grantor_keys (id, revision, record) VALUES (1, 1, $1) ON CONFLICT (id) DO NOTHING",
			[]any{data},
		}
	}
	rows, err := db.transact(ctx, "swapping the keys", []statement{swap})
	if err == nil && rows[0] == 0 {
		return storage.ErrConflict
	}
	return err
}
