-- Tables of the same names with other columns, and no rows. Columns in another order, one more, one narrower:
CREATE TABLE setting (own boolean NOT NULL DEFAULT false, since date DEFAULT '2026-01-01', value varchar(100), name text PRIMARY KEY);
SELECT pg_catalog.pg_extension_config_dump('setting', '');
-- one missing, for which another one came;
CREATE TABLE ruled (id serial, rule text NOT NULL UNIQUE, origin text NOT NULL);
SELECT pg_catalog.pg_extension_config_dump('ruled', 'WHERE origin <> ''shipped''');
SELECT pg_catalog.pg_extension_config_dump('ruled_id_seq', '');
CREATE SEQUENCE ticket;
SELECT pg_catalog.pg_extension_config_dump('ticket', '');
-- one whose binary values mean other numbers.
CREATE TABLE branch (id int PRIMARY KEY, trunk real NOT NULL, note text);
SELECT pg_catalog.pg_extension_config_dump('branch', '');
CREATE TABLE trunk (id int PRIMARY KEY, first_branch int);
SELECT pg_catalog.pg_extension_config_dump('trunk', '');
