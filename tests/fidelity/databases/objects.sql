-- Kinds of objects that are not relations: languages, text search, operators and their classes, casts,
-- conversions, transforms, functions of all kinds, access methods, event triggers, publications,
-- subscriptions, extended statistics; with a comment on each.
SET client_min_messages = warning;

CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'a schema';
SET search_path = app, public;

-- Languages and access methods.
CREATE FUNCTION handles() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION runs(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION validates(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE LANGUAGE plagain HANDLER handles INLINE runs VALIDATOR validates;
CREATE TRUSTED LANGUAGE "PL odd" HANDLER handles;
CREATE FUNCTION in_plagain(i int) RETURNS int LANGUAGE plagain AS 'BEGIN RETURN i; END';
COMMENT ON LANGUAGE plagain IS 'a language';
CREATE ACCESS METHOD gist_again TYPE INDEX HANDLER gisthandler;
CREATE ACCESS METHOD heap_again TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD heap_again IS 'an access method';
CREATE OPERATOR CLASS point_ops_again DEFAULT FOR TYPE box USING gist_again AS
    OPERATOR 3 &&, OPERATOR 7 @>, FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal),
    OPERATOR 15 <-> (box, point) FOR ORDER BY float_ops, FUNCTION 8 (box, point) gist_box_distance(internal, box, smallint, oid, internal),
    FUNCTION 2 gist_box_union(internal, internal), FUNCTION 5 gist_box_penalty(internal, internal, internal),
    FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal);
CREATE TABLE boxes (b box) USING heap_again;
INSERT INTO boxes SELECT box(point(i, i), point(i + 1, i + 2)) FROM generate_series(1, 500) i;
CREATE INDEX ON boxes USING gist_again (b);

-- A base type with its own functions, built in C for others.
CREATE TYPE plain_int;
CREATE FUNCTION plain_in(cstring) RETURNS plain_int LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION plain_out(plain_int) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE plain_int (INPUT = plain_in, OUTPUT = plain_out, LIKE = int4, CATEGORY = 'N', PREFERRED = false, DEFAULT = '7', DELIMITER = '|');
CREATE FUNCTION plain_recv(internal) RETURNS plain_int LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
CREATE TYPE unfinished;
COMMENT ON TYPE plain_int IS 'a base type';
CREATE TABLE plain (p plain_int, ps plain_int[]);
INSERT INTO plain SELECT i::text::plain_int, ARRAY[i::text::plain_int, NULL] FROM generate_series(1, 2000) i;

-- One with a modifier of its own, and a range of which one value has one form.
CREATE TYPE short_text;
CREATE FUNCTION short_in(cstring, oid, int) RETURNS short_text LANGUAGE internal IMMUTABLE STRICT AS 'varcharin';
CREATE FUNCTION short_out(short_text) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varcharout';
CREATE FUNCTION short_recv(internal, oid, int) RETURNS short_text LANGUAGE internal IMMUTABLE STRICT AS 'varcharrecv';
CREATE FUNCTION short_send(short_text) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'varcharsend';
CREATE FUNCTION short_typmod_in(cstring[]) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodin';
CREATE FUNCTION short_typmod_out(int) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodout';
CREATE TYPE short_text (INPUT = short_in, OUTPUT = short_out, RECEIVE = short_recv, SEND = short_send, TYPMOD_IN = short_typmod_in,
    TYPMOD_OUT = short_typmod_out, LIKE = varchar, COLLATABLE = true);
CREATE TYPE steps;
CREATE FUNCTION one_form(steps) RETURNS steps LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE steps AS RANGE (subtype = int, canonical = one_form, subtype_diff = int4range_subdiff);
CREATE TABLE of_our_types (s short_text(7) COLLATE "C", ss short_text(3)[], r steps, rs steps[], m steps_multirange);
CREATE FUNCTION stepped(i int) RETURNS steps LANGUAGE sql IMMUTABLE AS $$ SELECT app.steps(i, i + 5, '(]') $$;
INSERT INTO of_our_types SELECT short_in(i::text::cstring, 0, -1), '{a,NULL,abc}', stepped(i), ARRAY[stepped(-i), 'empty'], steps_multirange(stepped(i), stepped(i + 9))
FROM generate_series(1, 1000) i;
CREATE INDEX ON of_our_types USING gist (r);

-- Operators, their families and classes.
CREATE FUNCTION plain_lt(plain_int, plain_int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION plain_le(plain_int, plain_int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION plain_eq(plain_int, plain_int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION plain_ge(plain_int, plain_int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE FUNCTION plain_gt(plain_int, plain_int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION plain_cmp(plain_int, plain_int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE FUNCTION plain_hash(plain_int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashint4';
CREATE OPERATOR < (leftarg = plain_int, rightarg = plain_int, function = plain_lt, commutator = >, negator = >=, restrict = scalarltsel, join = scalarltjoinsel);
CREATE OPERATOR <= (leftarg = plain_int, rightarg = plain_int, function = plain_le, commutator = >=, negator = >);
CREATE OPERATOR = (leftarg = plain_int, rightarg = plain_int, function = plain_eq, commutator = =, hashes, merges);
CREATE OPERATOR >= (leftarg = plain_int, rightarg = plain_int, function = plain_ge, commutator = <=, negator = <);
CREATE OPERATOR > (leftarg = plain_int, rightarg = plain_int, function = plain_gt, commutator = <, negator = <=);
CREATE OPERATOR @#@ (rightarg = bigint, function = int8um);
CREATE OPERATOR FAMILY plain_family USING btree;
CREATE OPERATOR CLASS plain_ops DEFAULT FOR TYPE plain_int USING btree FAMILY plain_family AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 plain_cmp(plain_int, plain_int);
CREATE FUNCTION plain_int_cmp(plain_int, int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE FUNCTION plain_int_eq(plain_int, int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE OPERATOR = (leftarg = plain_int, rightarg = int, function = plain_int_eq);
ALTER OPERATOR FAMILY plain_family USING btree ADD OPERATOR 3 = (plain_int, int), FUNCTION 1 (plain_int, int) plain_int_cmp(plain_int, int);
CREATE FUNCTION plain_hash_more(plain_int, bigint) RETURNS bigint LANGUAGE internal IMMUTABLE STRICT AS 'hashint4extended';
CREATE OPERATOR CLASS plain_hash_ops DEFAULT FOR TYPE plain_int USING hash AS
    OPERATOR 1 =, FUNCTION 1 plain_hash(plain_int), FUNCTION 2 plain_hash_more(plain_int, bigint);
CREATE OPERATOR FAMILY "empty family" USING gist;
COMMENT ON OPERATOR = (plain_int, plain_int) IS 'an operator';
COMMENT ON OPERATOR @#@ (NONE, bigint) IS 'a prefix operator';
COMMENT ON OPERATOR FAMILY plain_family USING btree IS 'an operator family';
COMMENT ON OPERATOR CLASS plain_ops USING btree IS 'an operator class';
CREATE UNIQUE INDEX plain_p ON plain (p);
CREATE INDEX ON plain USING hash (p);
CREATE TABLE plain_hashed (p plain_int) PARTITION BY HASH (p);
CREATE TABLE plain_hashed_0 PARTITION OF plain_hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE plain_hashed_1 PARTITION OF plain_hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO plain_hashed SELECT p FROM plain;

-- Casts, conversions, transforms.
CREATE FUNCTION to_plain(text) RETURNS plain_int LANGUAGE sql IMMUTABLE AS 'SELECT 1::text::app.plain_int';
CREATE CAST (plain_int AS int) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS plain_int) WITH FUNCTION to_plain(text) AS ASSIGNMENT;
CREATE CAST (plain_int AS bytea) WITH INOUT;
COMMENT ON CAST (plain_int AS int) IS 'a cast';
CREATE CONVERSION latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE DEFAULT CONVERSION latin_by_default FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION latin IS 'a conversion';
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'a transform';
CREATE FUNCTION transformed(int) RETURNS int LANGUAGE sql TRANSFORM FOR TYPE int AS 'SELECT $1';

-- Collations.
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION "again C" FROM "C";
COMMENT ON COLLATION blind IS 'a collation';
CREATE TABLE collated (id int, g text COLLATE german, b text COLLATE blind UNIQUE, c text COLLATE "again C");
INSERT INTO collated SELECT i, 'ä' || i, 'Bb' || i, 'c' || i FROM generate_series(1, 2000) i;
CREATE INDEX ON collated (c COLLATE german, g COLLATE "C" text_pattern_ops);

-- Functions of all kinds.
CREATE FUNCTION every_option(INOUT a int, b text DEFAULT 'it''s', VARIADIC c int[] DEFAULT '{}', OUT d text) RETURNS record
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER LEAKPROOF PARALLEL RESTRICTED COST 7
SET work_mem = '1MB' SET search_path = app, "$user", 'Odd "one' SET "custom.x" = 'a''b' AS $_$ BEGIN d := $$x$$; END $_$;
CREATE FUNCTION returns_table(i int) RETURNS TABLE (a int, b text) LANGUAGE sql ROWS 5 AS $$ SELECT i, 'b;--' $$;
CREATE FUNCTION helped(bool) RETURNS bool LANGUAGE internal SUPPORT textlike_support AS 'boolin';
CREATE FUNCTION in_c() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION windowed() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
CREATE FUNCTION atomic(x int, OUT n bigint) LANGUAGE sql BEGIN ATOMIC
    INSERT INTO boxes SELECT box(point(x, x), point(x, x));
    SELECT count(*) FROM boxes WHERE b @> point(x, 1) AND x > ANY (ARRAY[1, 2]);
END;
CREATE FUNCTION returned(x int) RETURNS int LANGUAGE sql IMMUTABLE RETURN x * 2 + 1;
CREATE PROCEDURE proceeds(INOUT a int, OUT b text) LANGUAGE plpgsql AS $$ BEGIN b := a; COMMIT; END $$;
CREATE PROCEDURE proceeds_at_once(a int) LANGUAGE sql BEGIN ATOMIC DELETE FROM boxes WHERE b ~= box(point(a, a), point(a, a)); END;
CREATE FUNCTION polymorphic(anycompatible, anycompatiblearray) RETURNS anycompatible LANGUAGE sql AS 'SELECT $1';
COMMENT ON FUNCTION every_option(int, text, int[]) IS 'a function';
COMMENT ON PROCEDURE proceeds(int) IS 'a procedure';
CREATE AGGREGATE product(int) (sfunc = int4mul, stype = int, initcond = '1', combinefunc = int4mul, parallel = safe);
CREATE AGGREGATE moving(float8) (sfunc = float8pl, stype = float8, msfunc = float8pl, minvfunc = float8mi, mstype = float8, minitcond = '0', finalfunc_modify = read_only);
CREATE AGGREGATE ordered(float8 ORDER BY anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);
CREATE AGGREGATE hypothetical(VARIADIC "any" ORDER BY VARIADIC "any") (sfunc = ordered_set_transition_multi, stype = internal, finalfunc = rank_final, finalfunc_extra, hypothetical);
CREATE AGGREGATE averaged(numeric) (sfunc = numeric_avg_accum, stype = internal, sspace = 128, finalfunc = numeric_avg,
    combinefunc = numeric_avg_combine, serialfunc = numeric_avg_serialize, deserialfunc = numeric_avg_deserialize, parallel = safe);
CREATE FUNCTION smaller(plain_int, plain_int) RETURNS plain_int LANGUAGE internal IMMUTABLE STRICT AS 'int4smaller';
CREATE AGGREGATE smallest(plain_int) (sfunc = smaller, stype = plain_int, sortop = <);
COMMENT ON AGGREGATE product(int) IS 'an aggregate';

-- Text search.
CREATE TEXT SEARCH PARSER parsing (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE simply (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY stops (TEMPLATE = simply, StopWords = 'english', Accept = false);
CREATE TEXT SEARCH DICTIONARY "snow ball" (TEMPLATE = snowball, Language = german);
CREATE TEXT SEARCH CONFIGURATION searching (PARSER = parsing);
ALTER TEXT SEARCH CONFIGURATION searching ADD MAPPING FOR asciiword, word WITH stops, "snow ball", simple;
COMMENT ON TEXT SEARCH PARSER parsing IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE simply IS 'a template';
COMMENT ON TEXT SEARCH DICTIONARY stops IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION searching IS 'a configuration';
CREATE TABLE searched (t text, v tsvector GENERATED ALWAYS AS (to_tsvector('app.searching', t)) STORED);
INSERT INTO searched (t) SELECT 'Häuser the run ' || i FROM generate_series(1, 1000) i;
CREATE INDEX ON searched USING gin (v);

-- Extended statistics.
CREATE STATISTICS all_kinds ON id, g, c FROM collated;
CREATE STATISTICS some_kinds (mcv, ndistinct) ON (id % 10), (lower(g)), b FROM collated;
ALTER STATISTICS some_kinds SET STATISTICS 77;
CREATE STATISTICS one_expression ON (id + 1) FROM collated;
COMMENT ON STATISTICS all_kinds IS 'statistics';
ANALYZE collated;

-- Publications and subscriptions.
CREATE TABLE published (id int PRIMARY KEY, a text, b text) ;
INSERT INTO published SELECT i, 'a', 'b' FROM generate_series(1, 100) i;
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, truncate', publish_via_partition_root);
CREATE PUBLICATION "some of it" FOR TABLE published (id, a) WHERE (id > 5 AND a <> 'x'), ONLY plain;
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA app, TABLE plain WITH (publish = 'delete');
CREATE PUBLICATION nothing_yet;
COMMENT ON PUBLICATION everything IS 'a publication';
SET client_min_messages = error;
CREATE SUBSCRIPTION listening CONNECTION 'host=nowhere dbname=doesnotexist password=x''y' PUBLICATION a, "B b"
    WITH (connect = false, binary, streaming, synchronous_commit = 'remote_apply', disable_on_error, two_phase);
SET client_min_messages = error;
CREATE SUBSCRIPTION unheard CONNECTION 'dbname=''x y''' PUBLICATION p WITH (connect = false, slot_name = NONE);
COMMENT ON SUBSCRIPTION unheard IS 'a subscription';

-- Event triggers that would refuse whatever a restore does, and notice what it leaves behind.
CREATE TABLE witnessed (what text);
CREATE FUNCTION witness() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.witnessed VALUES (tg_event || ' ' || tg_tag); END $$;
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'event trigger % acts on %', tg_event, tg_tag; END $$;
CREATE EVENT TRIGGER a_starts ON ddl_command_start EXECUTE FUNCTION refuse();
ALTER EVENT TRIGGER a_starts DISABLE;
COMMENT ON EVENT TRIGGER a_starts IS 'an event trigger';
CREATE EVENT TRIGGER "Drops" ON sql_drop EXECUTE FUNCTION witness();
CREATE EVENT TRIGGER no_schema ON ddl_command_start WHEN TAG IN ('CREATE SCHEMA', 'DROP SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'CREATE INDEX', 'ALTER TABLE') EXECUTE FUNCTION refuse();
CREATE EVENT TRIGGER rewrites ON table_rewrite EXECUTE FUNCTION refuse();
CREATE EVENT TRIGGER always ON ddl_command_end EXECUTE FUNCTION witness();
ALTER EVENT TRIGGER always ENABLE ALWAYS;
CREATE EVENT TRIGGER in_replica ON ddl_command_end WHEN TAG IN ('REFRESH MATERIALIZED VIEW', 'CREATE FUNCTION') EXECUTE FUNCTION refuse();
ALTER EVENT TRIGGER in_replica ENABLE REPLICA;
TRUNCATE witnessed;
