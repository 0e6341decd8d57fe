-- What a session of ours reads and cannot have as UTF-8, of a database without an encoding: there a regular
-- expression sees bytes. Each byte that is not ASCII is shown as a question mark.
SELECT DISTINCT regexp_replace(what COLLATE "C", '[^\x01-\x7f]', '?', 'g')
FROM (
    SELECT 'schema ' || nspname, nspname::text
    FROM pg_namespace
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'view ' WHEN 'c' THEN 'type ' ELSE 'table ' END || relname,
           relname::text
    FROM pg_class
    WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
    UNION ALL
    SELECT 'column ' || relname || '.' || attname, attname::text
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    WHERE relkind IN ('r', 'p', 'f') AND NOT attisdropped
    UNION ALL
    SELECT 'type ' || typname, typname::text
    FROM pg_type
    WHERE typrelid = 0 AND typelem = 0
    UNION ALL
    SELECT 'event trigger ' || evtname, evtname::text
    FROM pg_event_trigger
    UNION ALL
    SELECT 'comment on database ' || datname, shobj_description(oid, 'pg_database')
    FROM pg_database
    WHERE datname = current_database()
) AS named (what, text)
WHERE text COLLATE "C" !~
    '^([\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*$'
ORDER BY 1
