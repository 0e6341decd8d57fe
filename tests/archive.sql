DO $$ BEGIN CREATE ROLE "Bob o'x"; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE SCHEMA "left*""out";
CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'two
lines; -- and a semicolon';
CREATE SCHEMA "Odd.Schema ""q"" 100%";
CREATE SCHEMA "ATTACH";
CREATE TABLE "ATTACH".t (id int PRIMARY KEY);
CREATE INDEX i ON "ATTACH".t (id);

-- Keys of every form.
CREATE TABLE app.t (id int PRIMARY KEY, a text NOT NULL, b int, CONSTRAINT "u (x)" UNIQUE (a, b));
CREATE TABLE app.f (
    id bigint PRIMARY KEY, t_id int REFERENCES app.t ON DELETE CASCADE, n text DEFAULT 'x',
    CONSTRAINT nn UNIQUE NULLS NOT DISTINCT (n), CONSTRAINT inc UNIQUE (id) INCLUDE (n),
    CONSTRAINT late UNIQUE (t_id) DEFERRABLE, CONSTRAINT filled UNIQUE (n, id) WITH (fillfactor = 50),
    EXCLUDE USING btree (n WITH =)
) WITH (fillfactor = 50);
CREATE TABLE app.mutual_a (id int PRIMARY KEY, b int);
CREATE TABLE app.mutual_b (id int PRIMARY KEY, a int REFERENCES app.mutual_a);
ALTER TABLE app.mutual_a ADD FOREIGN KEY (b) REFERENCES app.mutual_b NOT VALID;
ALTER TABLE app.mutual_a ADD CONSTRAINT self FOREIGN KEY (b) REFERENCES app.mutual_a DEFERRABLE;
COMMENT ON CONSTRAINT f_pkey ON app.f IS 'a key''s comment';
COMMENT ON CONSTRAINT f_t_id_fkey ON app.f IS 'a foreign key''s';

-- Names with everything in them.
CREATE TABLE "Odd.Schema ""q"" 100%"."T
new ""(line);" ("Id (1)" int, "b"";
--" text COLLATE "C", CONSTRAINT "pk (a, ""b"");
x" PRIMARY KEY ("Id (1)", "b"";
--"), CONSTRAINT "%s $1 $q$" UNIQUE ("b"";
--"));
CREATE INDEX "i '; ""%" ON "Odd.Schema ""q"" 100%"."T
new ""(line);" (("b"";
--" || ';$$''\'));
COMMENT ON INDEX "Odd.Schema ""q"" 100%"."i '; ""%" IS '\restrict no
\unrestrict no';
CREATE FUNCTION "Odd.Schema ""q"" 100%"."F
-- Name: x" () RETURNS text LANGUAGE sql AS $f$
SELECT '
--
-- PostgreSQL database dump complete
--

\unrestrict
' $f$;

-- What sits inside of index and key entries: two such on one table would deadlock in one step.
CREATE INDEX i1 ON app.f (n);
CREATE INDEX i2 ON app.f ((id + 1), n);
ALTER INDEX app.i2 ALTER COLUMN 1 SET STATISTICS 77;
ALTER TABLE app.f CLUSTER ON f_pkey;
CREATE UNIQUE INDEX ri ON app.t (a);
ALTER TABLE app.t REPLICA IDENTITY USING INDEX ri;
ALTER TABLE app.t CLUSTER ON "u (x)";
COMMENT ON INDEX app.i1 IS 'c1
two';
CREATE TABLE app.full_identity (id int UNIQUE);
ALTER TABLE app.full_identity REPLICA IDENTITY FULL;

-- Things that need a key.
CREATE VIEW app.v AS SELECT id, a, count(*) FROM app.t GROUP BY id;
CREATE VIEW app.v_of_v AS SELECT * FROM app.v;
CREATE MATERIALIZED VIEW app.mv AS SELECT id, a FROM app.t;
CREATE INDEX mvi ON app.mv (id);
CREATE MATERIALIZED VIEW app.mv2 AS SELECT t.id, a FROM app.t GROUP BY t.id;
CREATE UNIQUE INDEX mv2u ON app.mv2 (a);
CREATE MATERIALIZED VIEW app.mv3 AS SELECT v.id FROM app.v_of_v v;
CREATE INDEX mv3i ON app.mv3 (id);
CREATE FUNCTION app.needs_key() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    SELECT count(*) FROM (SELECT id, a FROM app.t GROUP BY id) x;
END;
COMMENT ON MATERIALIZED VIEW app.mv2 IS 'mv2';

-- Partitions, two levels.
CREATE TABLE app.p (id int, k text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (10);
CREATE TABLE app.p2 PARTITION OF app.p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE app.p2a PARTITION OF app.p2 DEFAULT;
CREATE TABLE app.none (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE INDEX pi ON app.p (k);
CREATE INDEX ON app.p1 (k, id);
ALTER TABLE app.p1 CLUSTER ON p1_k_idx;
ALTER TABLE app.p ADD FOREIGN KEY (id) REFERENCES app.t;
ALTER TABLE app.p1 ADD FOREIGN KEY (id) REFERENCES app.mutual_a;
CREATE TABLE app.parent (id int PRIMARY KEY);
CREATE TABLE app.child (x int UNIQUE) INHERITS (app.parent);

-- The rest.
CREATE FUNCTION app.tf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER tr BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.tf();
ALTER TABLE app.t DISABLE TRIGGER tr;
COMMENT ON TRIGGER tr ON app.t IS 'y';
CREATE RULE r AS ON DELETE TO app.f DO NOTHING;
COMMENT ON RULE r ON app.f IS 'z';
CREATE POLICY po ON app.t USING (id > 0);
ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;
COMMENT ON POLICY po ON app.t IS 'x';
CREATE STATISTICS app.st ON a, b FROM app.t;
COMMENT ON STATISTICS app.st IS 'st';
CREATE FUNCTION app.etf() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
CREATE PUBLICATION pub FOR TABLE app.t;
CREATE PUBLICATION pub2 FOR TABLES IN SCHEMA app;
CREATE TEXT SEARCH CONFIGURATION app.tsc (COPY = simple);
CREATE DOMAIN app.d AS int CONSTRAINT positive CHECK (VALUE > 0);
CREATE TYPE app."mood'" AS ENUM ('a;b', '--');
CREATE TABLE app.gen (id int GENERATED ALWAYS AS IDENTITY, x int GENERATED ALWAYS AS (1) STORED, s serial, d app.d);
ALTER TABLE app.gen ADD CHECK (x > 0) NOT VALID;

-- Owners and privileges: an owner takes from himself what foreign keys to his table need.
ALTER TABLE app.t OWNER TO "Bob o'x";
ALTER MATERIALIZED VIEW app.mv2 OWNER TO "Bob o'x";
REVOKE REFERENCES, SELECT ON app.t FROM "Bob o'x";
GRANT SELECT ON app.mv2, app.gen TO PUBLIC;
GRANT SELECT (a) ON app.t TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO "Bob o'x";
CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION app.etf();
ALTER EVENT TRIGGER et DISABLE;
COMMENT ON EVENT TRIGGER et IS 'last';
ALTER EVENT TRIGGER et ENABLE;
