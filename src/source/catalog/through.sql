-- Leaves of hash partitions whose keys hash differently on another server, each with the topmost
-- such ancestor, as far as partitions and tables are chosen: enums and reg* types hash their OIDs, text its bytes in the database's encoding.
WITH RECURSIVE :ancestor
SELECT DISTINCT ON (a.leaf) a.leaf, n.nspname, c.relname
FROM ancestor a
JOIN pg_partitioned_table p ON p.partrelid = a.oid AND p.partstrat = 'h'
JOIN pg_class c ON c.oid = a.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.partexprs IS NOT NULL
   OR EXISTS (
       SELECT FROM pg_attribute k
       JOIN pg_type t ON t.oid = k.atttypid
       WHERE k.attrelid = a.oid
         AND k.attnum = ANY (p.partattrs::int2[])
         AND (t.oid >= 16384 OR t.typtype <> 'b' OR t.typelem <> 0 OR t.typcollation <> 0 OR t.typname LIKE 'reg%'))
ORDER BY a.leaf, a.depth DESC
