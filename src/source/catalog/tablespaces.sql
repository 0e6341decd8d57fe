-- Tablespaces that the database's objects name; its own is not one of them.
SELECT t.spcname
FROM pg_tablespace t
WHERE t.oid IN (SELECT c.reltablespace
                FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
ORDER BY 1
