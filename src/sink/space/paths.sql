-- Where the server keeps data, WAL and tablespaces; the data directory first.
SELECT path
FROM (SELECT 0 AS n, current_setting('data_directory') AS path
      UNION ALL
      SELECT 1, current_setting('data_directory') || '/pg_wal'
      UNION ALL
      SELECT 2, pg_tablespace_location(oid) FROM pg_tablespace) paths
WHERE path <> ''
ORDER BY n, path
