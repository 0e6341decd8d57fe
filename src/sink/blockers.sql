-- After `ours` (name): what a session of ours waits for a lock on, and who holds, or waits before us for, that. Whether
-- a role may see what kind of session another one's is, or not: its pid it may.
SELECT string_agg(DISTINCT wanted.relation::pg_catalog.regclass::text, ', '),
       string_agg(DISTINCT format('pid %s (%s)', blocking.pid,
                                  coalesce(nullif(b.application_name, ''), b.backend_type,
                                           CASE blocking.pid WHEN 0 THEN 'a prepared transaction' ELSE 'unnamed' END)),
                  ', ')
FROM ours
CROSS JOIN pg_stat_activity a
CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS blocking (pid)
LEFT JOIN pg_stat_activity b ON b.pid = blocking.pid
LEFT JOIN pg_locks wanted ON wanted.pid = a.pid AND NOT wanted.granted
WHERE a.datname = current_database()
  AND a.wait_event_type = 'Lock'
  AND left(a.application_name, length(ours.name)) = ours.name
  AND left(coalesce(b.application_name, ''), length(ours.name)) <> ours.name
