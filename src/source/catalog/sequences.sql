-- Sequences that pg_dump would set: of an extension's only those that it has said to be the user's.
SELECT n.nspname, c.relname, c.oid
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND (c.oid IN (SELECT unnest(extconfig) FROM pg_extension)
       OR NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
ORDER BY c.oid
