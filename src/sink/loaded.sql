-- These tables and views, and the roots of those that are partitions: what ANALYZE would be told.
SELECT DISTINCT format('%I.%I', n.nspname, r.relname)
FROM unnest(:names::text[]) AS t (name)
JOIN pg_class c ON c.oid = to_regclass(t.name)
JOIN pg_class r ON r.oid IN (c.oid, pg_partition_root(c.oid))
JOIN pg_namespace n ON n.oid = r.relnamespace
