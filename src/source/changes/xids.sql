-- The transaction ids of the snapshot that this statement runs in: below the first all have ended, from the
-- second on none had.
SELECT txid_snapshot_xmin(s), txid_snapshot_xmax(s), pg_is_in_recovery() FROM txid_current_snapshot() s
