-- Who owns what and may do what, and what is set for the database itself.
SET client_min_messages = warning;
CREATE SCHEMA alices AUTHORIZATION alice;
CREATE SCHEMA app;
ALTER SCHEMA public OWNER TO alice;
GRANT CREATE ON SCHEMA public TO PUBLIC;
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA app TO "Bob o'x" WITH GRANT OPTION;
GRANT USAGE ON SCHEMA app TO alice;

CREATE TABLE app.of_bob (id int PRIMARY KEY, secret text, open text);
INSERT INTO app.of_bob SELECT i, 's', 'o' FROM generate_series(1, 2000) i;
ALTER TABLE app.of_bob OWNER TO "Bob o'x";
CREATE TABLE alices.refers (id int REFERENCES app.of_bob, n serial);
INSERT INTO alices.refers SELECT i FROM generate_series(1, 1000) i;
ALTER TABLE alices.refers OWNER TO alice;
-- An owner without rights on what is his.
REVOKE ALL ON app.of_bob FROM "Bob o'x";
GRANT SELECT (id, open), UPDATE (open), INSERT (id), REFERENCES (id) ON app.of_bob TO alice WITH GRANT OPTION;
GRANT SELECT ON app.of_bob TO PUBLIC;
CREATE TABLE app.chained (i int);
GRANT SELECT, INSERT ON app.chained TO alice WITH GRANT OPTION;
SET SESSION AUTHORIZATION alice;
GRANT SELECT ON app.chained TO "Bob o'x";
RESET SESSION AUTHORIZATION;
GRANT SELECT ON app.chained TO "group of readers";
CREATE VIEW app.v AS SELECT id FROM app.of_bob;
ALTER VIEW app.v OWNER TO alice;
GRANT INSERT ON app.v TO PUBLIC;
CREATE MATERIALIZED VIEW app.m AS SELECT count(*) AS n FROM app.of_bob;
ALTER MATERIALIZED VIEW app.m OWNER TO alice;
CREATE SEQUENCE app.s;
GRANT USAGE ON SEQUENCE app.s TO alice;
CREATE FUNCTION app.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION app.f(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.f(int) TO alice;
CREATE PROCEDURE app.p() LANGUAGE sql AS '';
ALTER PROCEDURE app.p() OWNER TO alice;
CREATE AGGREGATE app.a(int) (sfunc = int4pl, stype = int);
ALTER AGGREGATE app.a(int) OWNER TO alice;
CREATE TYPE app.t AS ENUM ('x');
ALTER TYPE app.t OWNER TO "Bob o'x";
REVOKE USAGE ON TYPE app.t FROM PUBLIC;
CREATE DOMAIN app.d AS int;
GRANT USAGE ON DOMAIN app.d TO alice;
REVOKE USAGE ON LANGUAGE sql FROM PUBLIC;
GRANT USAGE ON LANGUAGE sql TO alice;
CREATE OPERATOR app.### (leftarg = int, rightarg = int, function = int4pl);
ALTER OPERATOR app.### (int, int) OWNER TO alice;
CREATE COLLATION app.c FROM "C";
ALTER COLLATION app.c OWNER TO alice;
CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
ALTER CONVERSION app.conv OWNER TO alice;
CREATE TEXT SEARCH CONFIGURATION app.ts (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION app.ts OWNER TO alice;
CREATE TEXT SEARCH DICTIONARY app.dict (TEMPLATE = simple);
ALTER TEXT SEARCH DICTIONARY app.dict OWNER TO alice;
CREATE STATISTICS app.stat ON id, open FROM app.of_bob;
ALTER STATISTICS app.stat OWNER TO alice;
CREATE PUBLICATION pub FOR TABLE app.chained;
ALTER PUBLICATION pub OWNER TO alice;
-- What initdb has granted, changed.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO alice;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC;
GRANT SELECT ON pg_catalog.pg_authid TO alice;
GRANT SELECT (rolname) ON pg_catalog.pg_authid TO "Bob o'x";

ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO alice;
ALTER DEFAULT PRIVILEGES FOR ROLE alice IN SCHEMA alices GRANT ALL ON SEQUENCES TO "Bob o'x" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE "Bob o'x" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO "group of readers";
ALTER DEFAULT PRIVILEGES GRANT CREATE ON SCHEMAS TO alice;

-- The database itself.
DO $$
DECLARE db text := quote_ident(current_database());
BEGIN
    EXECUTE 'COMMENT ON DATABASE ' || db || ' IS ''the database''''s "comment"''';
    EXECUTE 'ALTER DATABASE ' || db || ' OWNER TO alice';
    EXECUTE 'REVOKE TEMPORARY, CONNECT ON DATABASE ' || db || ' FROM PUBLIC';
    EXECUTE 'GRANT CONNECT ON DATABASE ' || db || ' TO "Bob o''x" WITH GRANT OPTION';
    EXECUTE 'GRANT CREATE, TEMPORARY ON DATABASE ' || db || ' TO "group of readers"';
    EXECUTE 'ALTER DATABASE ' || db || ' CONNECTION LIMIT 77';
    EXECUTE 'ALTER DATABASE ' || db || ' SET search_path = app, "$user", "Odd "" schema", public';
    EXECUTE 'ALTER DATABASE ' || db || ' SET work_mem = ''7MB''';
    EXECUTE 'ALTER DATABASE ' || db || ' SET default_transaction_read_only = on';
    EXECUTE 'ALTER DATABASE ' || db || ' SET default_transaction_isolation = serializable';
    EXECUTE 'ALTER DATABASE ' || db || ' SET statement_timeout = 60000';
    EXECUTE 'ALTER DATABASE ' || db || ' SET DateStyle = ''German, DMY''';
    EXECUTE 'ALTER DATABASE ' || db || ' SET TimeZone = ''Europe/Prague''';
    EXECUTE 'ALTER DATABASE ' || db || ' SET "app.setting" = ''it''''s \ "odd"''';
    EXECUTE 'ALTER DATABASE ' || db || ' SET temp_tablespaces = ''elsewhere''';
    EXECUTE 'ALTER DATABASE ' || db || ' SET session_replication_role = replica';
    EXECUTE 'ALTER DATABASE ' || db || ' SET "custom.empty" = ''''';
    EXECUTE 'ALTER ROLE alice IN DATABASE ' || db || ' SET work_mem = ''9MB''';
    EXECUTE 'ALTER ROLE "Bob o''x" IN DATABASE ' || db || ' SET search_path = "$user", alices';
    EXECUTE 'ALTER ROLE ALL IN DATABASE ' || db || ' SET lock_timeout = 5000';
END $$;
