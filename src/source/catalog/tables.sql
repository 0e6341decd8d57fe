-- Tables with rows of their own, in the snapshot of this transaction. An extension's own tables
-- belong to the extension; temporary tables never leave their session. No sizes: they wait for locks.
SELECT c.oid,
       n.nspname,
       c.relname,
       c.relpersistence,
       c.relfilenode,
       -- Now: none where the name is gone or has become another table's.
       CASE WHEN to_regclass(format('%I.%I', n.nspname, c.relname))::oid = c.oid
            THEN pg_relation_filenode(c.oid) END
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.oid
