-- The topmost ancestor of each leaf partition, as far as partitions and tables are chosen.
WITH RECURSIVE ancestor (leaf, oid, depth) AS (
    SELECT c.oid, i.inhparent, 1
    FROM pg_class c
    JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relispartition AND c.relkind = 'r' AND :chosen
    UNION ALL
    SELECT a.leaf, i.inhparent, a.depth + 1
    FROM ancestor a
    JOIN pg_inherits i ON i.inhrelid = a.oid AND :chosen
)
SELECT DISTINCT ON (a.leaf) a.leaf, n.nspname, c.relname
FROM ancestor a
JOIN pg_class c ON c.oid = a.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY a.leaf, a.depth DESC
