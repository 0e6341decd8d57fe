-- [name, rows] of every table, one JSON array a line: a name may hold a newline.
SELECT format('SELECT json_build_array(%L, count(*)) FROM ONLY %s', name, name)
FROM (
    SELECT format('%I.%I', nspname, relname) AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname !~ '^pg_|^information_schema$') AS tables \gexec
