-- Foreign keys that refer to tables of which only some rows are moved, or to what those are partitions of:
-- (key, its table, table). Without those that nobody checks, and without the copies that partitions have.
WITH RECURSIVE partial (oid) AS (
    SELECT unnest(:filtered::oid[])
    UNION
    SELECT i.inhparent
    FROM partial p
    JOIN pg_class c ON c.oid = p.oid AND c.relispartition
    JOIN pg_inherits i ON i.inhrelid = p.oid
)
SELECT quote_ident(k.conname), k.conrelid::regclass, k.confrelid::regclass
FROM pg_constraint k
JOIN partial p ON p.oid = k.confrelid
WHERE k.contype = 'f' AND k.convalidated
  AND :chosen
  -- From 11 on.
  AND coalesce((to_jsonb(k) ->> 'conparentid')::oid, 0) = 0
ORDER BY k.conrelid::regclass::text, k.conname
