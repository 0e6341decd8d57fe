-- Tablespaces that relations which are moved name, or their indexes; the database's own is not one of them.
SELECT t.spcname
FROM pg_tablespace t
WHERE t.oid IN (SELECT c.reltablespace
                FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                LEFT JOIN pg_index i ON i.indexrelid = c.oid
                WHERE :chosen AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
ORDER BY 1
