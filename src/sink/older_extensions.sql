-- Extensions that are older than the journal: their rows in the catalog were written before its schema's.
SELECT e.extname
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.nspname = :schema AND pg_catalog.age(e.xmin) > pg_catalog.age(n.xmin)
