SELECT p.pageno::bigint * (current_setting('block_size')::bigint / 4) AS at, p.data
FROM pg_largeobject p
WHERE p.loid = m.oid
