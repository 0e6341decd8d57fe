-- What pg_dump leaves out, or cannot see all of, where the role is no superuser. pg_user_mappings shows options
-- to whom the last condition names.
SELECT format('SUBSCRIPTION %I', s.subname), 'only a superuser can dump it'
FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND current_setting('is_superuser') = 'off'
UNION ALL
SELECT format('USER MAPPING %s SERVER %I', u.usename, u.srvname), 'only a superuser can read its options, where it has any'
FROM pg_user_mappings u
JOIN pg_foreign_server f ON f.oid = u.srvid
WHERE current_setting('is_superuser') = 'off'
  AND NOT CASE WHEN u.umuser = 0 THEN pg_has_role(f.srvowner, 'USAGE')
               ELSE u.usename = current_user
                    AND (pg_has_role(f.srvowner, 'USAGE') OR has_server_privilege(f.oid, 'USAGE')) END
ORDER BY 1
