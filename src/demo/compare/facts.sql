-- Everything that must be equal in two databases, as lines of ["what it is", "its value"].
-- JSON keeps a name with a newline in it on one line.
SET default_transaction_read_only = off;
SET default_transaction_isolation = 'read committed';
SET search_path = '';
SET client_encoding = 'UTF8';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET row_security = off;

CREATE TEMP VIEW user_namespace AS
SELECT oid, nspname
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgpipe');

CREATE TEMP VIEW user_relation AS
SELECT c.oid, c.relkind, c.relispopulated, format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c
JOIN user_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   -- Of an extension's tables and sequences those whose rows are the user's.
   OR c.oid IN (SELECT unnest(extconfig) FROM pg_extension);

SELECT json_build_array('index ' || r.name, pg_get_indexdef(r.oid))
FROM user_relation r
WHERE r.relkind IN ('i', 'I');

SELECT json_build_array(
    format('constraint %I on %s', k.conname, r.name),
    pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' (not validated)' END)
FROM pg_constraint k
JOIN user_relation r ON r.oid = k.conrelid
-- From 18 on NOT NULL is one too; pg_dump tells of it for every version.
WHERE k.contype <> 'n';

SELECT format(
    'SELECT json_build_array(%L, last_value || %L || is_called) FROM %s',
    'sequence ' || name, ', called: ', name)
FROM user_relation
WHERE relkind = 'S' \gexec

-- It has no rows to read, and pg_dump's schema does not tell.
SELECT json_build_array('materialized view ' || name, 'not populated')
FROM user_relation
WHERE NOT relispopulated;

-- A sum forgets the order of the rows and nothing else; 64 bits of md5 are plenty against accident.
SELECT format(
    'SELECT json_build_array(%L, count(*) || %L || coalesce(sum('
    '(''x'' || substr(md5((t.*)::text), 1, 16))::bit(64)::bigint::numeric), 0)) '
    'FROM ONLY %s t',
    'table ' || name, ' rows, checksum ', name)
FROM user_relation
WHERE relkind IN ('r', 'm') AND relispopulated
ORDER BY name \gexec

-- Privileges in any order.
SELECT json_build_array(
    'owner and privileges of large object ' || m.oid,
    format('%s, %s', m.lomowner::regrole,
           (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(m.lomacl) a)))
FROM pg_largeobject_metadata m;
-- The bytes without the holes.
SELECT json_build_array(
    'large object ' || m.oid,
    format('comment %s, labels %s, %s bytes, %s',
           obj_description(m.oid, 'pg_largeobject'),
           (SELECT json_agg(json_build_array(l.provider, l.label) ORDER BY l.provider)
            FROM pg_seclabel l
            WHERE l.classoid = 'pg_largeobject'::regclass AND l.objoid = m.oid),
           length(b.data), md5(b.data)))
FROM pg_largeobject_metadata m
CROSS JOIN LATERAL (SELECT lo_get(m.oid) AS data OFFSET 0) b;
