SELECT pg_get_userbyid(d.datdba), shobj_description(d.oid, 'pg_database'), d.datconnlimit, d.datistemplate,
       d.datacl IS NOT NULL,
       (SELECT coalesce(json_agg(json_build_array(l.provider, l.label) ORDER BY l.provider), '[]')
        FROM pg_shseclabel l
        WHERE l.classoid = 'pg_database'::regclass AND l.objoid = d.oid)
FROM pg_database d
WHERE d.datname = current_database()
