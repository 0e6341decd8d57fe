-- What CREATE EXTENSION finds on this server: the version that is there or would come, the schema that it is in
-- already, and whether the server trusts others than superusers with it.
SELECT a.name, coalesce(e.extversion, a.default_version), n.nspname, :trusted
FROM pg_available_extensions a
LEFT JOIN pg_extension e ON e.extname = a.name
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
