-- Columns of tables, each with its type, whether it is computed, whether a row may leave it out, and whether
-- this role may fill it.
SELECT a.attrelid,
       a.attname,
       a.atttypid,
       format_type(a.atttypid, a.atttypmod),
       a.attgenerated <> '',
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL OR NOT (a.attnotnull OR t.typnotnull),
       has_column_privilege(a.attrelid, a.attnum, 'INSERT')
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
ORDER BY a.attrelid, a.attnum
