-- Everything that pg_dump's options for tables can choose, with what decides it: the schema, the
-- extension that it belongs to or configures, the table whose sequence it is.
SELECT c.oid,
       n.oid,
       n.nspname,
       c.relname,
       coalesce(e.refobjid, 0),
       c.oid = ANY (coalesce(x.extconfig, '{}')),
       coalesce(s.refobjid, 0),
       coalesce(s.deptype = 'i', false)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.objsubid = 0
                     AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e'
LEFT JOIN pg_extension x ON x.oid = e.refobjid
LEFT JOIN pg_depend s ON c.relkind = 'S' AND s.classid = 'pg_class'::regclass AND s.objid = c.oid AND s.objsubid = 0
                     AND s.refclassid = 'pg_class'::regclass AND s.deptype IN ('a', 'i')
WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p')
