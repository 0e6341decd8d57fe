-- What the drops may lock at most, and the setting with which the lock table has room for that beside what it is for
-- now. Whatever is the users' depends on something; 16384 is the first OID that is not initdb's.
SELECT locks,
       current_setting('max_locks_per_transaction')::int8
           + ceil(locks / (current_setting('max_connections')::numeric
                           + current_setting('max_prepared_transactions')::numeric))::int8
FROM (SELECT count(DISTINCT (classid, objid)) AS locks FROM pg_depend WHERE objid >= 16384) users
