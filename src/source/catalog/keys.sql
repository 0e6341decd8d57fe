-- Columns by which a plain btree index on a table leads to its rows, those with values of their own first.
-- Only types whose values are integers in another dress; the planner names them.
SELECT i.indrelid, a.attname, t.typname, NOT a.attnotnull
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
JOIN pg_type t ON t.oid = a.atttypid AND t.typnamespace = 'pg_catalog'::regnamespace
JOIN pg_opclass o ON o.oid = i.indclass[0] AND o.opcdefault
WHERE i.indrelid = ANY ('{TABLES}')
  AND i.indisvalid AND i.indisready AND i.indislive
  AND i.indpred IS NULL
GROUP BY i.indrelid, a.attname, a.attnum, t.typname, a.attnotnull
ORDER BY i.indrelid, bool_or(i.indisunique AND i.indnatts = 1) DESC, a.attnum
