-- What takes back the memberships that recv's role has given itself in roles that it made, as far as it still may.
SELECT pg_catalog.format('REVOKE %I FROM CURRENT_USER', made.rolname)
FROM :schema.step s
JOIN pg_catalog.pg_roles made ON s.step = 'joined ' || made.rolname
JOIN pg_catalog.pg_roles ours ON ours.rolname = current_user
JOIN pg_catalog.pg_auth_members m ON m.roleid = made.oid AND m.member = ours.oid AND m.grantor = ours.oid
WHERE s.message IS NULL
  AND (pg_catalog.pg_has_role(made.oid, 'MEMBER WITH ADMIN OPTION')
       OR ours.rolcreaterole AND current_setting('server_version_num')::int < 160000)
ORDER BY s.step
