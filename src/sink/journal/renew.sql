DELETE FROM :schema.chunk WHERE migration = :id AND chunk = ANY (:chunks::int[]);
DELETE FROM :schema.chunk_unlogged WHERE migration = :id AND chunk = ANY (:chunks::int[]);
-- An index or key that the old rows did not allow may be one that the new rows do.
DELETE FROM :schema.step WHERE migration = :id AND message IS NOT NULL AND :again
    AND (object LIKE 'INDEX %' OR object LIKE 'CONSTRAINT %' OR step LIKE 'rows %');
-- What was refused of large objects comes again with them.
DELETE FROM :schema.step WHERE migration = :id AND step LIKE 'objects %'
    AND split_part(step, ' ', 2) = ANY (:chunks::text[]);
UPDATE :schema.migration
    SET snapshot_time = :time, snapshot_lsn = :lsn, plan_digest = :plan
    WHERE id = :id;
