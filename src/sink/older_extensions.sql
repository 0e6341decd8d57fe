-- Extensions that are older than the journal: their rows in the catalog were written before its own.
SELECT e.extname
FROM pg_catalog.pg_extension e, :schema.migration m
WHERE pg_catalog.age(e.xmin) > pg_catalog.age(m.xmin);
