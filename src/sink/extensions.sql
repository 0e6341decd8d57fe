-- Tables of extensions that are not older than the journal: their rows in the catalog were written after its schema's.
-- One that belongs to another role, as a trusted extension's does, is left as it is.
SELECT n.nspname, c.relname
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace j ON j.nspname = :schema AND pg_catalog.age(e.xmin) <= pg_catalog.age(j.xmin)
JOIN pg_catalog.pg_class c ON c.oid = ANY (e.extconfig) AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.has_table_privilege(c.oid, 'DELETE')
