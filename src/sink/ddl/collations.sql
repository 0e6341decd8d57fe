-- The collations by which a key compares: those of the table's columns that its statement names, with these columns, and
-- those that the statement names itself. Each with its provider, its locale, whether it is deterministic, and the
-- version that the server's library has of it now. What starts with a colon is not the same in all versions of servers.
WITH given (relation, columns, collations) AS (SELECT :given),
used AS (
    SELECT a.attcollation AS id, a.attname, a.attnum
    FROM given
    JOIN pg_attribute a ON a.attrelid = given.relation
    WHERE a.attname::text = ANY (given.columns) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT c.oid, NULL, NULL
    FROM given
    JOIN pg_collation c ON c.collname::text = ANY (given.collations)
    WHERE c.collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
),
each AS (
    SELECT id, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns, min(attnum) AS place
    FROM used
    GROUP BY id
)
SELECT CASE WHEN c.collprovider <> 'd' THEN
           CASE n.nspname WHEN 'pg_catalog' THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.collname) END,
       e.columns,
       CASE c.collprovider WHEN 'd' THEN :database_provider ELSE c.collprovider END,
       CASE c.collprovider WHEN 'd' THEN coalesce(:database_locale, concat_ws(', ctype ', d.datcollate, nullif(d.datctype, d.datcollate)))
           ELSE coalesce(:locale, concat_ws(', ctype ', c.collcollate, nullif(c.collctype, c.collcollate))) END,
       c.collisdeterministic,
       CASE c.collprovider WHEN 'd' THEN :database_version ELSE pg_collation_actual_version(c.oid) END
FROM each e
JOIN pg_collation c ON c.oid = e.id
JOIN pg_namespace n ON n.oid = c.collnamespace
JOIN pg_database d ON d.datname = current_database()
ORDER BY e.place, c.collname
