-- These relations, and the partitions of those that are partitioned.
WITH RECURSIVE below (oid) AS (
    SELECT unnest(:relations::oid[])
    UNION
    SELECT i.inhrelid
    FROM below b
    JOIN pg_class c ON c.oid = b.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = b.oid
)
SELECT oid FROM below
