-- Partitions, at any depth, of these tables that are left out or foreign: (partition, table, is foreign).
WITH RECURSIVE below (ancestor, oid) AS (
    SELECT inhparent, inhrelid
    FROM pg_inherits
    WHERE inhparent = ANY (:ancestors::regclass[])
    UNION ALL
    SELECT b.ancestor, i.inhrelid
    FROM below b
    JOIN pg_inherits i ON i.inhparent = b.oid
)
SELECT b.oid::regclass, b.ancestor::regclass, c.relkind = 'f'
FROM below b
JOIN pg_class c ON c.oid = b.oid
WHERE c.relkind = 'f' OR NOT :chosen
ORDER BY b.ancestor, b.oid
