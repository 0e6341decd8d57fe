-- The topmost ancestor of each leaf partition, as far as partitions and tables are chosen.
WITH RECURSIVE :ancestor
SELECT DISTINCT ON (a.leaf) a.leaf, n.nspname, c.relname
FROM ancestor a
JOIN pg_class c ON c.oid = a.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY a.leaf, a.depth DESC
