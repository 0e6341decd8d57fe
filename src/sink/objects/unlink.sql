-- One transaction: what is removed is no longer in the journal. No row when nothing is left.
WITH batch AS (
    SELECT migration, chunk, oids[:500] AS oids, oids[501:] AS rest
    FROM :schema.large_object l
    WHERE cardinality(oids) > 0 AND :whose
    ORDER BY chunk
    LIMIT 1
), rest AS (
    UPDATE :schema.large_object l SET oids = batch.rest
    FROM batch
    WHERE l.migration = batch.migration AND l.chunk = batch.chunk
), gone AS (
    SELECT lo_unlink(m.oid) AS unlinked
    FROM batch
    CROSS JOIN LATERAL unnest(batch.oids) o (oid)
    JOIN pg_largeobject_metadata m ON m.oid = o.oid
)
SELECT (SELECT count(unlinked) FROM gone) FROM batch
