-- For each large object a row of what it is, at -1, and its bytes with where they stand in it.
COPY (
    SELECT m.oid AS loid,
           (-1)::bigint AS at,
           NULL::bytea AS data,
           pg_get_userbyid(m.lomowner)::text AS owner,
           CASE WHEN m.lomacl IS NOT NULL THEN coalesce((
               SELECT json_agg(json_build_array(
                          pg_get_userbyid(a.grantor),
                          CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
                          a.privilege_type,
                          a.is_grantable) ORDER BY a.number)
               FROM aclexplode(m.lomacl) WITH ORDINALITY a (grantor, grantee, privilege_type, is_grantable, number)
           )::text, '[]') END AS acl,
           obj_description(m.oid, 'pg_largeobject') AS comment,
           (SELECT json_agg(json_build_array(l.provider, l.label) ORDER BY l.provider)::text
            FROM pg_seclabel l
            WHERE l.classoid = 'pg_largeobject'::regclass AND l.objoid = m.oid) AS labels
    FROM pg_largeobject_metadata m
    WHERE (:range) AND (:readable)
    UNION ALL
    SELECT m.oid, b.at, b.data, NULL, NULL, NULL, NULL
    FROM pg_largeobject_metadata m
    CROSS JOIN LATERAL (:pages) b
    WHERE (:range) AND (:readable)
) TO STDOUT (FORMAT binary)
