-- What each partition is below, its parent first: (leaf, ancestor, its key, what of it the one below takes). A
-- default partition takes what its siblings do not.
WITH RECURSIVE above (leaf, child, parent, depth) AS (
    SELECT c.oid, c.oid, i.inhparent, 1
    FROM pg_class c
    JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relispartition AND c.relkind = 'r'
    UNION ALL
    SELECT a.leaf, a.parent, i.inhparent, a.depth + 1
    FROM above a
    JOIN pg_inherits i ON i.inhrelid = a.parent
)
SELECT a.leaf,
       n.nspname,
       p.relname,
       pg_get_partkeydef(p.oid),
       coalesce(CASE b.bound WHEN 'DEFAULT' THEN pg_get_partition_constraintdef(c.oid) ELSE b.bound END, '')
FROM above a
JOIN pg_class p ON p.oid = a.parent
JOIN pg_namespace n ON n.oid = p.relnamespace
JOIN pg_class c ON c.oid = a.child
CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
ORDER BY a.leaf, a.depth
