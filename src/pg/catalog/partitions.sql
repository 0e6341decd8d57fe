-- What each partition is below, its parent first: (leaf, ancestor, its key, what of it the one below takes). A
-- default partition takes what its siblings do not.
WITH RECURSIVE :ancestor
SELECT a.leaf,
       n.nspname,
       p.relname,
       pg_get_partkeydef(p.oid),
       coalesce(CASE b.bound WHEN 'DEFAULT' THEN pg_get_partition_constraintdef(c.oid) ELSE b.bound END, '')
FROM ancestor a
JOIN pg_class p ON p.oid = a.oid
JOIN pg_namespace n ON n.oid = p.relnamespace
JOIN pg_class c ON c.oid = a.child
CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
ORDER BY a.leaf, a.depth
