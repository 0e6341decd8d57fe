-- Columns to copy, in attribute order: generated ones are computed again, dropped ones are gone.
SELECT a.attrelid, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND a.attgenerated = '' -- from 12 on
ORDER BY a.attrelid, a.attnum
