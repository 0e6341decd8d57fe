-- Tables with rows of their own, in the snapshot of this transaction. An extension's own tables
-- belong to the extension, but for those whose rows it has said to be the user's
-- (pg_extension_config_dump): these come with the condition that tells which. Temporary tables never
-- leave their session. No sizes: they wait for locks.
SELECT c.oid,
       n.nspname,
       c.relname,
       c.relpersistence,
       c.relfilenode,
       -- Now: none where the name is gone or has become another table's.
       CASE WHEN to_regclass(format('%I.%I', n.nspname, c.relname))::oid = c.oid
            THEN pg_relation_filenode(c.oid) END,
       x.condition
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (SELECT u.oid, u.condition
           FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS u (oid, condition)) x ON x.oid = c.oid
WHERE c.relkind = 'r'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  -- What is not chosen may lie in a schema that the role may not use, where its name leads to an error.
  AND :chosen
  AND (x.condition IS NOT NULL
       OR NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
ORDER BY c.oid
