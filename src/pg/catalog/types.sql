-- Every type with what decides whether its binary form means the same on another server.
-- Fields are read for free-standing composite types; a table's row type has none here.
SELECT t.oid,
       t.typname,
       t.typtype,
       CASE WHEN t.typlen = -1 THEN t.typelem ELSE 0 END,
       t.typbasetype,
       coalesce(r.rngsubtype, 0),
       t.typsend <> 0 AND t.typreceive <> 0,
       coalesce((SELECT string_agg(a.atttypid::text, ' ' ORDER BY a.attnum)
                 FROM pg_attribute a
                 JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'c'
                 WHERE a.attrelid = nullif(t.typrelid, 0) AND a.attnum > 0 AND NOT a.attisdropped), '')
FROM pg_type t
LEFT JOIN pg_range r ON r.rngtypid = t.oid
