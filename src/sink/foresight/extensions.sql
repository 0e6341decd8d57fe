-- What CREATE EXTENSION finds on this server: is it here already, and whom does the server trust with it.
SELECT a.name, e.oid IS NOT NULL, :trusted
FROM pg_available_extensions a
LEFT JOIN pg_extension e ON e.extname = a.name
