-- Roles that own something in this database, may do something there or have settings for it, each with the
-- others of them that it is a member of. What initdb's own superuser owns is written down nowhere.
WITH here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
named AS (
    SELECT s.refobjid AS role
    FROM pg_shdepend s, here
    WHERE s.refclassid = 'pg_authid'::regclass
      AND (s.dbid = here.oid OR s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = here.oid)
    UNION SELECT datdba FROM here
    UNION SELECT s.setrole FROM pg_db_role_setting s, here WHERE s.setdatabase = here.oid
    UNION SELECT relowner FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
    UNION SELECT proowner FROM pg_proc WHERE oid >= 16384
    UNION SELECT typowner FROM pg_type WHERE oid >= 16384
    UNION SELECT nspowner FROM pg_namespace WHERE oid >= 16384
)
SELECT r.rolname, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil,
       shobj_description(r.oid, 'pg_authid'),
       coalesce(m.groups, '[]')
FROM named
JOIN pg_roles r ON r.oid = named.role
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object('role', pg_get_userbyid(a.roleid), 'admin', a.admin)) AS groups
    FROM (SELECT roleid, bool_or(admin_option) AS admin FROM pg_auth_members WHERE member = r.oid GROUP BY roleid) a
    WHERE a.roleid IN (SELECT role FROM named)
) m
WHERE r.rolname !~ '^pg_'
ORDER BY r.rolname
