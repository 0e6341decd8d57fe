-- What acts on rows that COPY puts into these tables, or into their partitions: (what, a line for the user). A
-- foreign key of or to a partitioned table is named once; it is one between them where that of any partition is.
WITH RECURSIVE target AS (
    SELECT DISTINCT coalesce(t.relid, c.oid::regclass) AS oid
    FROM unnest(:targets::regclass[]) AS c (oid)
    LEFT JOIN LATERAL pg_partition_tree(c.oid) t ON true
),
key (oid, top) AS (
    SELECT oid, oid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
    UNION ALL
    SELECT k.oid, key.top FROM key JOIN pg_constraint k ON k.contype = 'f' AND k.conparentid = key.oid
)
SELECT 'trigger', format('trigger %I of %s acts on each row or statement', g.tgname, g.tgrelid::regclass)
FROM pg_trigger g
WHERE g.tgrelid IN (SELECT oid FROM target)
  AND NOT g.tgisinternal
  AND g.tgtype & 4 > 0
  AND g.tgenabled = ANY (:enabled)
UNION ALL
SELECT 'deferrable', format('constraint %I of %s is DEFERRABLE, and not checked', k.conname, k.conrelid::regclass)
FROM pg_constraint k
WHERE k.conrelid IN (SELECT oid FROM target) AND k.contype IN ('u', 'p', 'x') AND k.condeferrable
UNION ALL
SELECT CASE WHEN bool_or(EXISTS (SELECT FROM target
                                 WHERE oid = k.confrelid
                                    OR oid IN (SELECT relid FROM pg_partition_tree(k.confrelid))))
            THEN 'key between' ELSE 'key' END,
       format('foreign key %I of %s', t.conname, t.conrelid::regclass)
FROM key
JOIN pg_constraint k ON k.oid = key.oid AND k.conrelid IN (SELECT oid FROM target)
JOIN pg_constraint t ON t.oid = key.top
GROUP BY t.conname, t.conrelid
ORDER BY 1, 2
