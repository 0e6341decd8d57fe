-- No clock of the server's may end a session that works or waits for hours. Read from pg_settings,
-- because idle_session_timeout came with 14 and transaction_timeout with 17.
SELECT pg_catalog.set_config(name, '0', false)
FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
               'idle_session_timeout', 'transaction_timeout');
-- The same text on both sides.
SET search_path = '';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SET extra_float_digits = 3;
SET lc_monetary = 'C';
-- What is done is durable; sessions that leave that to a later one's commit say so.
SET synchronous_commit = on;
-- Fail rather than read or write part of a table.
SET row_security = off;
-- Every scan from the first page on, and no helpers that the plan did not count.
SET synchronize_seqscans = off;
SET max_parallel_workers_per_gather = 0;
-- From 11 on.
SELECT pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'jit';
-- A trigger's notices must not fill the socket that we only write to.
SET client_min_messages = error;
SET check_function_bodies = off;
SET xmloption = content;
SET default_transaction_read_only = off;
-- Each statement sees what has committed, as the writers' lock-then-look needs.
SET default_transaction_isolation = 'read committed';
SET default_transaction_deferrable = off;
-- Without them each range would read the whole table.
SET enable_tidscan = on;
SET enable_indexscan = on;
SET enable_bitmapscan = on;
SET standard_conforming_strings = on;
