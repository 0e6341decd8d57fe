-- Who may do what with the database, in the order in which it was granted.
SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
       pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_database d, aclexplode(d.datacl) WITH ORDINALITY AS a
WHERE d.datname = current_database()
ORDER BY a.ordinality
