-- For the session; with LOCAL in the place of SESSION, for the transaction alone.
-- No clock of the server's may end a session that works or waits for hours. Read from pg_settings,
-- because idle_session_timeout came with 14 and transaction_timeout with 17.
SELECT pg_catalog.set_config(name, '0', 'SESSION' = 'LOCAL')
FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
               'idle_session_timeout', 'transaction_timeout');
-- The same text on both sides.
SET SESSION search_path = '';
SET SESSION DateStyle = 'ISO, YMD';
SET SESSION IntervalStyle = 'postgres';
SET SESSION TimeZone = 'UTC';
SET SESSION bytea_output = 'hex';
SET SESSION extra_float_digits = 3;
SET SESSION lc_monetary = 'C';
-- What is done is durable; sessions that leave that to a later one's commit say so.
SET SESSION synchronous_commit = on;
-- Fail rather than read or write part of a table.
SET SESSION row_security = off;
-- Every scan from the first page on, and no helpers that the plan did not count.
SET SESSION synchronize_seqscans = off;
SET SESSION max_parallel_workers_per_gather = 0;
-- From 11 on.
SELECT pg_catalog.set_config(name, 'off', 'SESSION' = 'LOCAL') FROM pg_catalog.pg_settings WHERE name = 'jit';
-- A trigger's notices must not fill the socket that we only write to.
SET SESSION client_min_messages = error;
SET SESSION check_function_bodies = off;
SET SESSION xmloption = content;
SET SESSION default_transaction_read_only = off;
-- Each statement sees what has committed, as the writers' lock-then-look needs.
SET SESSION default_transaction_isolation = 'read committed';
SET SESSION default_transaction_deferrable = off;
-- Without them each range would read the whole table.
SET SESSION enable_tidscan = on;
SET SESSION enable_indexscan = on;
SET SESSION enable_bitmapscan = on;
SET SESSION standard_conforming_strings = on;
