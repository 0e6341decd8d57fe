-- Milliseconds until all sessions on this database have told what they wrote. From 15 on one that is idle does so
-- 10 s after its last statement at the latest, one that ends at once.
SELECT coalesce(ceil(1000 * extract(epoch FROM
           max(coalesce(state_change, clock_timestamp())) + interval '11 s' - clock_timestamp())), 0)::bigint
FROM pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND coalesce(backend_type, 'client backend') = 'client backend'
  AND application_name NOT LIKE 'pgpipe %'
