CREATE SCHEMA :schema;
COMMENT ON SCHEMA :schema IS 'pgpipe: progress of a migration into this database; dropped when it is done';
CREATE TABLE :schema.migration (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    pgpipe text NOT NULL,
    source text NOT NULL,
    snapshot_time text NOT NULL,
    snapshot_lsn pg_catalog.pg_lsn NOT NULL,
    plan_digest text NOT NULL,
    archive_digest text NOT NULL,
    begun pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
-- One row for each part of a chunk, written in the transaction that wrote the part's rows.
CREATE TABLE :schema.chunk (
    migration uuid NOT NULL,
    chunk int NOT NULL,
    part int NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    wire_bytes bigint NOT NULL,
    digest text NOT NULL,
    seconds float8 NOT NULL,
    committed pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (migration, chunk, part)
);
-- Chunks of unlogged tables: after a crash of the server both the rows and these are gone.
CREATE UNLOGGED TABLE :schema.chunk_unlogged (LIKE :schema.chunk INCLUDING ALL);
-- Everything else that is done once: schema entries, sequences, refreshes, the end of the data.
CREATE TABLE :schema.step (
    migration uuid NOT NULL,
    step text NOT NULL,
    object text,
    statement text,
    message text,
    sqlstate text,
    done pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (migration, step)
);
-- Steps whose effect a crash of the server undoes, which so empties this too: the values of unlogged sequences.
CREATE UNLOGGED TABLE :schema.step_unlogged (
    migration uuid NOT NULL,
    step text NOT NULL,
    PRIMARY KEY (migration, step)
);
-- The large objects of a committed chunk, written with its row. Those of a chunk that has none are to be removed.
CREATE TABLE :schema.large_object (
    migration uuid NOT NULL,
    chunk int NOT NULL,
    oids oid[] NOT NULL,
    PRIMARY KEY (migration, chunk)
);
-- The tables of the user's that a data-only migration writes to, and whether they had rows before it.
CREATE TABLE :schema.existing (
    migration uuid NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    had_rows bool NOT NULL,
    PRIMARY KEY (migration, table_schema, table_name)
);
