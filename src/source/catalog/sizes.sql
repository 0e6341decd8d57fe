-- Pages of the heap, and bytes of heap and TOAST, of every table that may have rows.
SELECT c.oid,
       coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint,
       coalesce(pg_relation_size(c.oid), 0)
           + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
