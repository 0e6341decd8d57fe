-- What each view or materialized view reads: (reader, read), both as OIDs, and which are populated.
SELECT DISTINCT v.oid, n.nspname, v.relname, v.relkind = 'm' AND v.relispopulated, coalesce(u.oid, 0)
FROM pg_class v
JOIN pg_namespace n ON n.oid = v.relnamespace
JOIN pg_rewrite r ON r.ev_class = v.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                     AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
LEFT JOIN pg_class u ON u.oid = d.refobjid AND u.relkind IN ('m', 'v')
WHERE v.relkind IN ('m', 'v')
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
ORDER BY v.oid
