-- Partitions that are left out of tables that are chosen: (partition, table).
SELECT i.inhrelid::regclass, i.inhparent::regclass
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
  AND i.inhparent = ANY (:relations::oid[]) AND i.inhrelid <> ALL (:relations::oid[])
ORDER BY i.inhrelid::regclass::text
