-- What one TRUNCATE of these tables names and empties, extensions' tables left out (`existing` has looked at those): (what it
-- names there, the table, whether rows go away, about how many, why it cannot be emptied).
WITH emptied AS (
    SELECT DISTINCT coalesce(t.relid, c.oid)::oid AS oid
    FROM unnest(:targets::regclass[]) c (oid)
    LEFT JOIN LATERAL pg_partition_tree(c.oid) t ON true
    WHERE NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
),
-- Partitioned tables of which all partitions are among them: keys from there are keys among them then.
whole AS (
    SELECT DISTINCT a.relid::oid AS oid
    FROM emptied e
    CROSS JOIN LATERAL pg_partition_ancestors(e.oid) a
    WHERE NOT EXISTS (SELECT FROM pg_partition_tree(a.relid) t
                      WHERE t.isleaf AND t.relid NOT IN (SELECT oid FROM emptied))
),
gone AS (
    SELECT oid FROM emptied UNION SELECT oid FROM whole
),
key AS (
    SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.conparentid
    FROM pg_constraint k
    WHERE k.contype = 'f'
      AND k.confrelid IN (SELECT oid FROM gone) AND k.conrelid NOT IN (SELECT oid FROM gone)
),
-- Partitions have a copy of a key that their parents have.
blocking AS (
    SELECT DISTINCT ON (k.oid) k.confrelid AS oid, p.conname, p.conrelid
    FROM key k
    CROSS JOIN LATERAL (
        WITH RECURSIVE up (oid, depth) AS (
            SELECT k.oid, 0
            UNION ALL
            SELECT c.conparentid, up.depth + 1
            FROM up
            JOIN pg_constraint c ON c.oid = up.oid AND c.conparentid <> 0
        )
        SELECT c.conname, c.conrelid, up.depth FROM up JOIN pg_constraint c ON c.oid = up.oid
    ) p
    ORDER BY k.oid, p.depth DESC
)
SELECT CASE WHEN c.relkind = 'p' THEN c.oid::regclass::text ELSE 'ONLY ' || c.oid::regclass END,
       c.oid::regclass,
       c.relkind <> 'f' AND pg_relation_size(c.oid) > 0,
       greatest(c.reltuples, 0)::bigint,
       CASE WHEN c.relkind = 'f' THEN 'a foreign table, whose rows are another server''s (detach it, and attach it again afterwards)'
            ELSE (SELECT string_agg(DISTINCT format('foreign key %I of %s refers to it, which no rows come into '
                                                    '(drop that key and add it afterwards, or move that table too)',
                                                    b.conname, b.conrelid::regclass), ', ')
                  FROM blocking b WHERE b.oid = c.oid) END
FROM gone g
JOIN pg_class c ON c.oid = g.oid
ORDER BY c.oid
