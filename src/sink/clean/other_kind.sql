-- What drops the relation or type of this name.
SELECT format('DROP %s %s',
              CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                             WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'c' THEN 'TYPE'
                             ELSE 'TABLE' END, c.oid::regclass)
FROM pg_class c
WHERE c.oid = to_regclass(:name)
UNION ALL
SELECT format('DROP TYPE %s', t.oid::regtype)
FROM pg_type t
WHERE t.oid = to_regtype(:name) AND t.typrelid = 0
