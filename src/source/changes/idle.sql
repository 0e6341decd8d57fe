-- After `since` (instant): sessions on this database whose last statement, after that instant, was to write. Before 15
-- no counter may have it for as long as the session is idle.
SELECT format('%s of pid %s (%s)', upper(substring(query FROM '\w+')), pid,
              coalesce(nullif(application_name, ''), usename, 'unnamed'))
FROM since, pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND state = 'idle'
  AND state_change > since.instant
  AND query ~* '^\s*(insert|update|delete)\M'
