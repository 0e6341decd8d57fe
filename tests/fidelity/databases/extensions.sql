-- Extensions in schemas of their own, what is built on them, foreign data, and an extension whose
-- tables the user has written to (pg_extension_config_dump).
SET client_min_messages = warning;

CREATE SCHEMA "Ext";
CREATE SCHEMA app;
CREATE EXTENSION hstore SCHEMA "Ext";
CREATE EXTENSION citext SCHEMA "Ext";
CREATE EXTENSION ltree SCHEMA "Ext";
CREATE EXTENSION pg_trgm SCHEMA "Ext";
CREATE EXTENSION btree_gist SCHEMA "Ext";
CREATE EXTENSION btree_gin SCHEMA app;
CREATE EXTENSION "uuid-ossp" SCHEMA app;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION cube SCHEMA "Ext";
CREATE EXTENSION earthdistance SCHEMA "Ext";
CREATE EXTENSION intarray SCHEMA "Ext";
CREATE EXTENSION isn SCHEMA "Ext";
CREATE EXTENSION seg SCHEMA "Ext";
CREATE EXTENSION unaccent SCHEMA app;
CREATE EXTENSION tablefunc SCHEMA app;
CREATE EXTENSION bloom SCHEMA app;
CREATE EXTENSION pg_stat_statements SCHEMA app;
CREATE EXTENSION postgres_fdw SCHEMA "Ext";
CREATE EXTENSION file_fdw SCHEMA "Ext";
COMMENT ON EXTENSION hstore IS 'a comment of our own';
SET search_path = app, "Ext", public;

-- Columns, defaults, indexes and constraints of what the extensions bring.
CREATE TABLE bag (
    id uuid PRIMARY KEY DEFAULT app.uuid_generate_v4(),
    tags "Ext".hstore DEFAULT ''::"Ext".hstore,
    name "Ext".citext NOT NULL UNIQUE,
    path "Ext".ltree,
    paths "Ext".ltree[],
    spot "Ext".cube,
    book "Ext".isbn13,
    span "Ext".seg,
    ints int[]);
INSERT INTO bag (name, tags, path, paths, spot, book, span, ints)
SELECT 'Name ' || i, hstore(ARRAY['i', i::text, 'null', NULL, 'odd "=> key', '''']), text2ltree('top.n' || i),
       ARRAY[text2ltree('a.b'), text2ltree('')], cube(ARRAY[i, -i], ARRAY[i + 1, 0]), '978-0-393-04002-9',
       (i || ' .. ' || i + 1)::seg, ARRAY[i, i % 7]
FROM generate_series(1, 3000) i;
CREATE INDEX ON bag USING gin (tags);
CREATE INDEX ON bag USING gist (path "Ext".gist_ltree_ops (siglen = 100));
CREATE INDEX bag_name_trgm ON bag USING gin ((name::text) "Ext".gin_trgm_ops);
CREATE INDEX ON bag USING gin (ints "Ext".gin__int_ops);
CREATE INDEX ON bag USING bloom ((name::text)) WITH (length = 64, col1 = 3);
CREATE TABLE booking (
    room int, during tstzrange,
    EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0));
INSERT INTO booking SELECT i % 10, tstzrange('2026-01-01'::timestamptz + i * interval '1 h', '2026-01-01'::timestamptz + (i + 1) * interval '1 h')
FROM generate_series(1, 2000) i;
CREATE DOMAIN email AS "Ext".citext CHECK (VALUE LIKE '%@%');
CREATE TABLE people (mail email, more email[], keys "Ext".hstore[]);
INSERT INTO people VALUES ('A@b', '{x@Y,Y@x}', ARRAY[hstore('a', 'b'), NULL]), (NULL, '[3:4]={a@,@b}', '{}');
CREATE TEXT SEARCH CONFIGURATION plainly (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION plainly ALTER MAPPING FOR word WITH app.unaccent, simple;
CREATE AGGREGATE merged(hstore) (sfunc = hs_concat, stype = hstore, initcond = '');
CREATE VIEW tagged AS SELECT id, tags -> 'i' AS i, path @> 'top'::ltree AS below FROM bag WHERE name = 'name 1'::citext;
CREATE MATERIALIZED VIEW similar_names AS SELECT name, similarity(name::text, 'Name 12') AS close FROM bag WHERE name % 'Name 12';
CREATE FUNCTION counted(hstore) RETURNS bigint LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT count(*) FROM each($1); END;
CREATE INDEX ON bag (counted(tags));
-- An object of the user's that became an extension's.
CREATE FUNCTION "Ext".ours() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION "Ext".ours() DEPENDS ON EXTENSION hstore;
ALTER INDEX bag_name_trgm DEPENDS ON EXTENSION pg_trgm;
ALTER MATERIALIZED VIEW similar_names DEPENDS ON EXTENSION pg_trgm;
CREATE FUNCTION nothing_new() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER nothing_new BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION nothing_new();
ALTER TRIGGER nothing_new ON people DEPENDS ON EXTENSION citext;
GRANT EXECUTE ON FUNCTION pg_stat_statements_reset(oid, oid, bigint) TO PUBLIC;
REVOKE EXECUTE ON FUNCTION "Ext".similarity(text, text) FROM PUBLIC;

-- Foreign data.
CREATE FOREIGN DATA WRAPPER nothing OPTIONS (debug 'true', "odd ' option" 'x"y''z');
CREATE FOREIGN DATA WRAPPER handled HANDLER "Ext".file_fdw_handler VALIDATOR "Ext".file_fdw_validator;
CREATE SERVER far TYPE 'oracle' VERSION '9.6' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere', dbname 'x', extensions 'hstore');
CREATE SERVER here FOREIGN DATA WRAPPER file_fdw;
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'guest', password 'se''cret');
CREATE USER MAPPING FOR alice SERVER far OPTIONS (user 'alice');
CREATE FOREIGN TABLE far_away (
    id int OPTIONS (column_name 'ID') NOT NULL, t text COLLATE "C" DEFAULT 'x', CHECK (id > 0), d text GENERATED ALWAYS AS (t || 'd') STORED)
SERVER far OPTIONS (schema_name 'S', table_name 'T');
ALTER FOREIGN TABLE far_away ALTER t SET STATISTICS 5, ALTER t SET (n_distinct = 5);
CREATE TRIGGER nothing_new BEFORE INSERT OR DELETE ON far_away FOR EACH ROW EXECUTE FUNCTION nothing_new();
CREATE FOREIGN TABLE lines (line text) SERVER here OPTIONS (filename '/dev/null', format 'text');
CREATE TABLE parted (y int, v text) PARTITION BY LIST (y);
CREATE TABLE parted_here PARTITION OF parted FOR VALUES IN (1);
CREATE FOREIGN TABLE parted_far PARTITION OF parted FOR VALUES IN (2) SERVER far;
INSERT INTO parted SELECT 1, 'v' || i FROM generate_series(1, 100) i;
CREATE FOREIGN TABLE inherits_far () INHERITS (people) SERVER far;
COMMENT ON SERVER far IS 'far away';
COMMENT ON FOREIGN DATA WRAPPER nothing IS 'does nothing';
COMMENT ON FOREIGN TABLE far_away IS 'a foreign table';
COMMENT ON COLUMN far_away.t IS 'its column';
GRANT USAGE ON FOREIGN SERVER far TO alice WITH GRANT OPTION;
GRANT USAGE ON FOREIGN DATA WRAPPER nothing TO alice;
GRANT SELECT ON far_away TO PUBLIC;

-- The rows of this one's tables are the user's, but for those of its script.
CREATE EXTENSION pgpipe_test SCHEMA app;
UPDATE app.setting SET value = 'changed by the user' WHERE name = 'shipped';
INSERT INTO app.setting VALUES ('added', 'by the user', true), ('odd ''" name', E'a\nb', true);
DELETE FROM app.setting WHERE name = 'unwanted';
INSERT INTO app.ruled (rule, shipped) SELECT 'rule ' || i, false FROM generate_series(1, 500) i;
SELECT setval('app.ticket', 4711);
CREATE VIEW settings_in_use AS SELECT name, value FROM setting WHERE own;
