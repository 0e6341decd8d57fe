-- What acts on rows that COPY puts into these tables, or into their partitions: (what, a line for the user, the
-- table that a foreign key leads to and whether rows are moved into that too).
WITH target AS (
    SELECT DISTINCT coalesce(t.relid, c.oid::regclass) AS oid
    FROM unnest(:targets::regclass[]) AS c (oid)
    LEFT JOIN LATERAL pg_partition_tree(c.oid) t ON true
)
SELECT 'trigger', format('trigger %I of %s acts on each row or statement', g.tgname, g.tgrelid::regclass)
FROM pg_trigger g
WHERE g.tgrelid IN (SELECT oid FROM target)
  AND NOT g.tgisinternal
  AND g.tgtype & 4 > 0
  AND g.tgenabled = ANY (:enabled)
UNION ALL
SELECT CASE WHEN k.contype <> 'f' THEN 'deferrable'
            WHEN k.confrelid IN (SELECT oid FROM target) THEN 'key between'
            ELSE 'key' END,
       format(CASE WHEN k.contype <> 'f' THEN 'constraint %I of %s is DEFERRABLE, and not checked'
                   ELSE 'foreign key %I of %s' END, k.conname, k.conrelid::regclass)
FROM pg_constraint k
WHERE k.conrelid IN (SELECT oid FROM target)
  AND (k.contype IN ('u', 'p', 'x') AND k.condeferrable OR k.contype = 'f' AND k.conparentid = 0)
ORDER BY 1, 2
