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
-- Keys between two of them, both ways, and a trigger: all of these stand while the user's rows come.
CREATE TABLE branch (id int PRIMARY KEY, trunk int NOT NULL, note text);
CREATE TABLE trunk (id int PRIMARY KEY, first_branch int REFERENCES branch);
INSERT INTO trunk VALUES (1), (2);
INSERT INTO branch VALUES (1, 1, 'as shipped');
UPDATE trunk SET first_branch = 1 WHERE id = 1;
ALTER TABLE branch ADD FOREIGN KEY (trunk) REFERENCES trunk ON DELETE CASCADE;
CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := 'a trigger acted';
    RETURN NEW;
END $$;
CREATE TRIGGER note_it BEFORE INSERT ON branch FOR EACH ROW EXECUTE FUNCTION note_it();
SELECT pg_catalog.pg_extension_config_dump('branch', '');
SELECT pg_catalog.pg_extension_config_dump('trunk', 'WHERE id > 1');
