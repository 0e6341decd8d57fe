-- The last page tells the size without a look at the others; holes count as if they were full.
SELECT m.oid,
       64 + coalesce((SELECT (p.pageno::bigint + 1) * (current_setting('block_size')::bigint / 4)
                      FROM pg_largeobject p
                      WHERE p.loid = m.oid
                      ORDER BY p.pageno DESC
                      LIMIT 1), 0) AS bytes
FROM pg_largeobject_metadata m
