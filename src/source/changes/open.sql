-- Transactions on this database that have a transaction id, and so write: a session's, or a prepared one.
-- pg_locks shows them to everybody, backend_xid of pg_stat_activity only to the privileged.
SELECT DISTINCT format('open transaction of pid %s (%s)',
                       l.pid, coalesce(nullif(a.application_name, ''), a.usename, 'unnamed'))
FROM pg_locks l
JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
  AND a.datname = current_database()
  AND a.pid <> pg_backend_pid()
  -- A vacuum's is not a write of anybody's rows.
  AND coalesce(a.backend_type, 'client backend') = 'client backend'
UNION ALL
SELECT format('prepared transaction %s', gid) FROM pg_prepared_xacts WHERE database = current_database()
