-- Tables to be analyzed, largest first. ANALYZE of a parent reads its children too: where one of them is a
-- foreign table it would go to another server, so that the others are analyzed by themselves.
WITH RECURSIVE reaches_out (oid) AS (
    SELECT oid FROM pg_class WHERE relkind = 'f'
    UNION
    SELECT i.inhparent FROM reaches_out r JOIN pg_inherits i ON i.inhrelid = r.oid
)
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND c.oid NOT IN (SELECT oid FROM reaches_out)
  AND (NOT c.relispartition
       OR (SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid) IN (SELECT oid FROM reaches_out))
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', :own)
ORDER BY pg_relation_size(c.oid) DESC
