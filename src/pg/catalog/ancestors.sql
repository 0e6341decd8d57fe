-- Each leaf partition with the partitioned tables that it is below, its parent first, as far as they are chosen, and
-- what of it is directly below each.
ancestor (leaf, child, oid, depth) AS (
    SELECT c.oid, c.oid, i.inhparent, 1
    FROM pg_class c
    JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relispartition AND c.relkind = 'r' AND :chosen
    UNION ALL
    SELECT a.leaf, a.oid, i.inhparent, a.depth + 1
    FROM ancestor a
    JOIN pg_inherits i ON i.inhrelid = a.oid AND :chosen
)
