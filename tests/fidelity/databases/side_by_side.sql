-- Two materialized views that are refreshed only beside one another: on the target each waits until
-- both have begun. And a third that reads them through a function, which nobody can see.
CREATE SCHEMA app;
CREATE FUNCTION app.meets() RETURNS bool LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- On the source nobody else comes.
    IF to_regclass('pgpipe.step') IS NULL THEN RETURN true; END IF;
    -- Of the session: still there when the transaction has ended.
    PERFORM pg_advisory_lock_shared(4711);
    FOR i IN 1..6000 LOOP
        IF (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) > 1 THEN RETURN true; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE 'nobody else refreshes';
END $$;
CREATE FUNCTION app.counts() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM app.one) + (SELECT count(*) FROM app.other); END $$;
CREATE MATERIALIZED VIEW app.a_reads AS SELECT 1 AS n;
CREATE MATERIALIZED VIEW app.one AS SELECT app.meets() AS met FROM app.a_reads;
CREATE MATERIALIZED VIEW app.other AS SELECT app.meets() AS met FROM app.a_reads;
CREATE MATERIALIZED VIEW app.hidden AS SELECT app.counts() AS n;
