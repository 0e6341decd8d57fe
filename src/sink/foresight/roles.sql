-- All roles, and whether this one may give them objects.
SELECT rolname, pg_has_role(oid, :right) FROM pg_roles
