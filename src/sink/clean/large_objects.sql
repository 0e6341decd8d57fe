-- How many there are, and whose are not ours.
SELECT count(*),
       string_agg(DISTINCT quote_ident(pg_get_userbyid(lomowner)), ', ')
           FILTER (WHERE NOT pg_has_role(lomowner, 'USAGE'))
FROM pg_largeobject_metadata
