-- Names that need quoting, of 63 bytes, with line ends; tables whose columns are dropped, missing or all generated.
SET client_min_messages = warning;
SET standard_conforming_strings = on;
CREATE SCHEMA "schema "" ' . % \ ; -- name";
COMMENT ON SCHEMA "schema "" ' . % \ ; -- name" IS E'two\nlines; -- a ''quote'' and a \\';
CREATE SCHEMA "line
end";
CREATE SCHEMA "pg is no prefix";
CREATE SCHEMA "ATTACH";
CREATE SCHEMA "select";
CREATE SCHEMA "žluťoučký kůň úpěl ďábelské ódy, 63 bajtů 1234";

CREATE TABLE "schema "" ' . % \ ; -- name"."table "" ' . % \ ; -- name" ("col "" ' . % \ ; -- name" int PRIMARY KEY, "%s %d %%" text DEFAULT '%s', "$1" text, "$$" int, ":v" int, "select" int, "a,b" int, "{}" int[]);
INSERT INTO "schema "" ' . % \ ; -- name"."table "" ' . % \ ; -- name" SELECT i, '%', '$1', 0, 1, 2, 3, '{1}' FROM generate_series(1, 2000) i;
CREATE TABLE "line
end"."new
line" ("new
line" int, "tab	" text, "return" text, CONSTRAINT "con
straint" UNIQUE ("new
line"));
INSERT INTO "line
end"."new
line" VALUES (1, 'x'), (2, NULL);
CREATE INDEX "in
dex;" ON "line
end"."new
line" ("tab	");
COMMENT ON TABLE "line
end"."new
line" IS '
--
-- Name: nothing; Type: TABLE; Schema: public; Owner: nobody
--

DROP TABLE everything;
\unrestrict x
\connect postgres
';
CREATE TABLE "select"."from" ("where" int, "table" text, "user" text);
INSERT INTO "select"."from" SELECT i, 't', 'u' FROM generate_series(1, 100) i;
CREATE TABLE "an identifier of 63 bytes ends where the server cuts it: 1234567" ("a column of 63 bytes ends where the server cuts it off: 12345678" int PRIMARY KEY);
INSERT INTO "an identifier of 63 bytes ends where the server cuts it: 1234567" SELECT generate_series(1, 10);
CREATE TABLE "žluťoučký kůň úpěl ďábelské ódy, 63 bajtů 1234"."😀" ("中文" text, "é" text GENERATED ALWAYS AS ("中文" || 'é') STORED);
INSERT INTO "žluťoučký kůň úpěl ďábelské ódy, 63 bajtů 1234"."😀" VALUES ('x'), (NULL);
CREATE TABLE "ATTACH"."TABLE" (id serial PRIMARY KEY);
INSERT INTO "ATTACH"."TABLE" SELECT FROM generate_series(1, 10);
CREATE TABLE "--comment" ("a;b" int, "/*" int, "*/" int);
INSERT INTO "--comment" VALUES (1, 2, 3);
CREATE TABLE " " (" " int, "  " int);
INSERT INTO " " VALUES (1, 2);
CREATE TABLE "same" (a int);
CREATE TABLE "Same" (a int);
CREATE TABLE "SAME" (a int);
INSERT INTO "same" VALUES (1);
INSERT INTO "Same" VALUES (2);
INSERT INTO "SAME" VALUES (3);
CREATE TYPE "Enum's ""type" AS ENUM ('a;b', '--', E'line\nend', '%s', E'\\');
CREATE TYPE "com,posite" AS ("f 1" "Enum's ""type", "f;2" int);
CREATE DOMAIN "do.main" AS "com,posite" CHECK ((VALUE)."f;2" > 0);
CREATE TABLE "u.s.e.s" (e "Enum's ""type", c "com,posite", d "do.main", ds "do.main"[]);
INSERT INTO "u.s.e.s" SELECT (enum_range(NULL::"Enum's ""type"))[1 + i % 5], ROW('--', i)::"com,posite", ROW(NULL, i)::"com,posite", ARRAY[ROW('%s', i)::"do.main"] FROM generate_series(1, 500) i;
CREATE SEQUENCE "sequence "" . ' name";
SELECT nextval('"sequence "" . '' name"');
CREATE FUNCTION "function; --" ("param "" eter" int DEFAULT 1, OUT "out; put" text) LANGUAGE sql AS $f$ SELECT '
--
-- PostgreSQL database dump complete
--

\unrestrict
' || $1 $f$;
CREATE VIEW "view
of all" AS SELECT "where" AS "a "" b", "table" AS "select" FROM "select"."from";
CREATE MATERIALIZED VIEW "mat %s ""view" AS SELECT "a "" b" AS "x;y" FROM "view
of all";
CREATE UNIQUE INDEX "mat; index" ON "mat %s ""view" ("x;y");
CREATE OPERATOR %%% (leftarg = int, rightarg = int, function = int4mod);
CREATE AGGREGATE "agg "" regate"(int) (sfunc = int4pl, stype = int);
CREATE RULE "rule "" ;" AS ON DELETE TO "--comment" DO ALSO NOTIFY "chan;nel";
CREATE FUNCTION "trig ger"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "trig "" ger;" BEFORE INSERT ON "--comment" FOR EACH ROW EXECUTE FUNCTION "trig ger"();
CREATE POLICY "pol "" icy;" ON "--comment" USING ("a;b" > 0);
CREATE STATISTICS "stat "" s;" ON "a;b", "/*" FROM "--comment";
CREATE PUBLICATION "pub "" ;" FOR TABLE "--comment", "line
end"."new
line";
CREATE COLLATION "col.la ""tion" FROM "C";
CREATE TEXT SEARCH CONFIGURATION "con "" fig" (COPY = simple);
CREATE TABLE "part ""s;" ("k "" ey" text) PARTITION BY LIST ("k "" ey");
CREATE TABLE "part; 1" PARTITION OF "part ""s;" FOR VALUES IN ('a''b', E'new\nline', E'\\', NULL);
CREATE TABLE "part; 2" PARTITION OF "part ""s;" DEFAULT;
CREATE INDEX "part "" index" ON "part ""s;" ("k "" ey");
INSERT INTO "part ""s;" VALUES ('a''b'), (E'new\nline'), (E'\\'), (NULL), ('x');
GRANT SELECT ("a;b"), UPDATE ("/*") ON "--comment" TO "Bob o'x", alice;
ALTER TABLE "SAME" OWNER TO "Bob o'x";

COMMENT ON SCHEMA public IS NULL;

-- Columns: none, dropped, generated.
CREATE TABLE zero_columns ();
INSERT INTO zero_columns SELECT FROM generate_series(1, 7);
CREATE TABLE zero_rows ();
CREATE TABLE all_dropped (a int, b text);
INSERT INTO all_dropped SELECT i, 'x' FROM generate_series(1, 1500) i;
ALTER TABLE all_dropped DROP COLUMN a, DROP COLUMN b;
CREATE TABLE only_generated (g int GENERATED ALWAYS AS (42) STORED, h text GENERATED ALWAYS AS ('x') STORED);
INSERT INTO only_generated SELECT FROM generate_series(1, 1500);
CREATE TABLE generated_first (g1 int GENERATED ALWAYS AS (a * 2) STORED, gone int, a int, g2 text GENERATED ALWAYS AS (b || '!') STORED, b text);
ALTER TABLE generated_first DROP COLUMN gone;
INSERT INTO generated_first (a, b) SELECT i, 'row ' || i FROM generate_series(1, 3000) i;
CREATE TABLE dropped (a int, gone1 text, b text DEFAULT 'b', gone2 int, c int);
INSERT INTO dropped SELECT i, 'gone', 'stays ' || i, i, -i FROM generate_series(1, 3000) i;
ALTER TABLE dropped DROP COLUMN gone1, DROP COLUMN gone2;
ALTER TABLE dropped ADD COLUMN late int DEFAULT 5 NOT NULL, ADD COLUMN later text DEFAULT 'missing in old rows';
INSERT INTO dropped SELECT i, 'new', i, i, NULL FROM generate_series(1, 100) i;
CREATE TABLE identity_always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
INSERT INTO identity_always SELECT FROM generate_series(1, 1000);
DO $$ BEGIN EXECUTE format('CREATE TABLE many_columns (%s)', (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(1, 1600) i)); END $$;
INSERT INTO many_columns (c1, c1600) SELECT i, -i FROM generate_series(1, 300) i;
CREATE SEQUENCE "of :value, :called and :forward";
SELECT setval('"of :value, :called and :forward"', 77);
