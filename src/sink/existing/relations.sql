-- Everything that bears a table's kind of name. The persistence of a partitioned table is that of its leaves.
SELECT c.oid,
       n.nspname,
       c.relname,
       c.relkind,
       CASE c.relkind WHEN 'p' THEN coalesce((
                SELECT string_agg(DISTINCT l.relpersistence::text, '')
                FROM pg_partition_tree(c.oid) t
                JOIN pg_class l ON l.oid = t.relid
                WHERE t.isleaf AND l.relkind <> 'p'), '')
            ELSE c.relpersistence::text END,
       row_security_active(c.oid),
       EXISTS (SELECT FROM pg_depend d
               WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
