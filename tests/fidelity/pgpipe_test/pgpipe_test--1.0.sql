-- All its rows are dumped.
CREATE TABLE setting (name text PRIMARY KEY, value text, own boolean NOT NULL DEFAULT false);
INSERT INTO setting VALUES ('shipped', 'as shipped', false), ('unwanted', 'as shipped', false), ('same', 'as shipped', false);
SELECT pg_catalog.pg_extension_config_dump('setting', '');
-- Only what the user has added is.
CREATE TABLE ruled (id serial, rule text NOT NULL UNIQUE, shipped boolean NOT NULL);
INSERT INTO ruled (rule, shipped) SELECT 'shipped ' || i, true FROM generate_series(1, 20) i;
SELECT pg_catalog.pg_extension_config_dump('ruled', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('ruled_id_seq', '');
CREATE SEQUENCE ticket;
SELECT pg_catalog.pg_extension_config_dump('ticket', '');
-- Nobody dumps this one.
CREATE TABLE built_in (i int);
INSERT INTO built_in VALUES (1), (2);
