-- What this role may not read of what is to be moved, with what would let it: relations by their OID, schemas
-- of theirs without one; last whether it is the rows that may not be read. pg_dump locks partitioned tables too.
WITH relation AS (
    SELECT c.oid, c.relkind, n.oid AS namespace, n.nspname, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S')
      AND c.relpersistence IN ('p', 'u')
      AND n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema'
      AND (c.oid IN (SELECT unnest(extconfig) FROM pg_extension)
           OR NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
),
flaw AS (
    SELECT DISTINCT NULL::oid AS oid, 0 AS place,
           format('schema %I: GRANT USAGE ON SCHEMA %1$I TO %I', nspname, current_user) AS line
    FROM relation
    WHERE NOT has_schema_privilege(namespace, 'USAGE')
    UNION ALL
    SELECT oid, 1, format('table %s: GRANT SELECT ON %1$s TO %I', name, current_user)
    FROM relation
    WHERE relkind <> 'S' AND NOT has_table_privilege(oid, 'SELECT')
    UNION ALL
    SELECT oid, 2, format('table %s: row security would hide rows of it; ALTER ROLE %I BYPASSRLS', name, current_user)
    FROM relation
    WHERE relkind <> 'S' AND row_security_active(oid)
    UNION ALL
    SELECT oid, 3, format('sequence %s: GRANT SELECT ON SEQUENCE %1$s TO %I', name, current_user)
    FROM relation
    -- In this order: asked of a table, the function raises an error.
    WHERE CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'SELECT') ELSE false END
)
SELECT oid, line, place > 1 FROM flaw ORDER BY place, oid, line
