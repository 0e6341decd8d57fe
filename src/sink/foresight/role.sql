-- What the role that restores may do, and who owns the database.
SELECT current_setting('is_superuser') = 'on', r.rolcreaterole, r.rolcreatedb, pg_get_userbyid(d.datdba)
FROM pg_roles r, pg_database d
WHERE r.rolname = current_user AND d.datname = current_database()
