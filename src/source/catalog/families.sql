-- Partitions, at any depth, of these tables that are left out: (partition, table).
WITH RECURSIVE below (ancestor, oid) AS (
    SELECT inhparent, inhrelid
    FROM pg_inherits
    WHERE inhparent = ANY (:ancestors::regclass[])
    UNION ALL
    SELECT b.ancestor, i.inhrelid
    FROM below b
    JOIN pg_inherits i ON i.inhparent = b.oid
)
SELECT oid::regclass, ancestor::regclass
FROM below
WHERE NOT :chosen
ORDER BY ancestor, oid
