-- The users' objects for people, by catalog and OID; of tables the rows that the server thinks they have. What
-- belongs to an extension goes with that.
SELECT o.class::oid, o.oid, pg_describe_object(o.class, o.oid, 0), o.rows
FROM (
    SELECT 'pg_class'::regclass AS class, oid,
           CASE WHEN relkind = 'r' THEN greatest(reltuples, 0)::bigint END AS rows
    FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    UNION ALL SELECT 'pg_proc'::regclass, oid, NULL FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, NULL FROM pg_type t
    WHERE typrelid = 0 AND typtype IN ('b', 'd', 'e', 'r') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
    UNION ALL SELECT 'pg_namespace'::regclass, oid, NULL FROM pg_namespace
    UNION ALL SELECT 'pg_extension'::regclass, oid, NULL FROM pg_extension
    UNION ALL SELECT 'pg_operator'::regclass, oid, NULL FROM pg_operator
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, NULL FROM pg_opfamily
    UNION ALL SELECT 'pg_cast'::regclass, oid, NULL FROM pg_cast
    UNION ALL SELECT 'pg_collation'::regclass, oid, NULL FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, NULL FROM pg_conversion
    UNION ALL SELECT 'pg_language'::regclass, oid, NULL FROM pg_language
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, NULL FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, NULL FROM pg_ts_dict
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, NULL FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, NULL FROM pg_foreign_server
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, NULL FROM pg_event_trigger
    UNION ALL SELECT 'pg_publication'::regclass, oid, NULL FROM pg_publication
) o
WHERE o.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
