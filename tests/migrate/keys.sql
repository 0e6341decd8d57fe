-- Keys that are unique here, and not where CONTRARY was run before.
CREATE COLLATION blind (provider = icu, locale = 'und');
CREATE FUNCTION folded(text) RETURNS text IMMUTABLE LANGUAGE sql
    AS $$SELECT CASE current_setting('pgpipe_test.fold', true) WHEN 'on' THEN lower($1) ELSE $1 END$$;
CREATE TABLE t (k text COLLATE blind PRIMARY KEY, s text, n int, EXCLUDE USING btree (k WITH =));
INSERT INTO t VALUES ('geheim', 'verborgen', 1), ('GEHEIM', 'VERBORGEN', 1);
CREATE UNIQUE INDEX by_name ON t (n, s COLLATE blind);
CREATE UNIQUE INDEX by_function ON t (folded(s));
