-- Roles that own something in this database (of relations, what is moved), may do something there or have settings
-- for it, each with the others of them that it is a member of and its settings for all databases. What initdb's own
-- superuser owns is written down nowhere, and what belongs to an extension comes with that.
WITH here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
owned AS (
    SELECT 'pg_class'::regclass AS catalog, c.oid, c.relowner AS role
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (c.relkind = 'c' OR c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND :chosen)
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type t
    WHERE oid >= 16384 AND typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
    UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace WHERE oid >= 16384
    UNION ALL SELECT classid, objid, refobjid
    FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o' AND dbid = (SELECT oid FROM here)
      AND classid <> 'pg_class'::regclass
),
named AS (
    SELECT role, true AS owns
    FROM owned o
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.catalog AND d.objid = o.oid AND d.deptype = 'e')
    UNION SELECT datdba, true FROM here
    UNION SELECT s.refobjid, false
    FROM pg_shdepend s, here
    WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype <> 'o'
      AND (s.dbid = here.oid OR s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = here.oid)
    UNION SELECT s.setrole, false FROM pg_db_role_setting s, here WHERE s.setdatabase = here.oid
),
role AS (SELECT role, bool_or(owns) AS owns FROM named GROUP BY role)
SELECT r.rolname, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil,
       shobj_description(r.oid, 'pg_authid'),
       coalesce(m.groups, '[]'), role.owns,
       (SELECT coalesce(json_agg(json_build_array(l.provider, l.label) ORDER BY l.provider), '[]')
        FROM pg_shseclabel l
        WHERE l.classoid = 'pg_authid'::regclass AND l.objoid = r.oid),
       (SELECT coalesce(json_agg(json_build_array(left(c.entry, strpos(c.entry, '=') - 1), substr(c.entry, strpos(c.entry, '=') + 1))
                                 ORDER BY c.place), '[]')
        FROM unnest(r.rolconfig) WITH ORDINALITY AS c (entry, place))
FROM role
JOIN pg_roles r ON r.oid = role.role
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object('role', pg_get_userbyid(a.roleid), 'admin', a.admin, 'inherit', a.inherit, 'set', a.set)) AS groups
    FROM (SELECT roleid, bool_or(admin_option) AS admin, bool_or(:inherit) AS inherit, bool_or(:set) AS set
          FROM pg_auth_members
          WHERE member = r.oid
          GROUP BY roleid) a
    WHERE a.roleid IN (SELECT role FROM role)
) m
WHERE r.rolname !~ '^pg_'
ORDER BY r.rolname
