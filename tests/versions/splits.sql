-- Tables of a few MiB, each with another key, or none, to be split by in chunks of 1 MiB.
CREATE FUNCTION pad(i int8, n int) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT repeat(md5($1::text), $2)';

CREATE TABLE by_serial (id serial PRIMARY KEY, s text);
INSERT INTO by_serial (s) SELECT pad(i, 4) FROM generate_series(1, 20000) i;
-- Holes on every page, and rows that are newer than their neighbours.
DELETE FROM by_serial WHERE id % 7 = 0;
UPDATE by_serial SET s = s || 'x' WHERE id % 1000 = 1;

CREATE TABLE by_time (at timestamptz, s text, id int);
INSERT INTO by_time SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 minute', pad(i, 4), i FROM generate_series(1, 20000) i;
INSERT INTO by_time SELECT x, pad(1, 4), 0 FROM unnest('{infinity,-infinity,294276-12-31 23:59:59.999999+00,4714-11-24 00:00+00 BC}'::timestamptz[]) x;
INSERT INTO by_time SELECT NULL, pad(i, 4), -i FROM generate_series(1, 50) i;
CREATE INDEX ON by_time (at);

CREATE TABLE by_moment (at timestamp NOT NULL, s text, part int, PRIMARY KEY (at, part));
INSERT INTO by_moment SELECT timestamp '1900-01-01' + i * interval '1 second', pad(i, 4), i % 3 FROM generate_series(1, 20000) i;

CREATE TABLE by_day (s text, "the ""day""" date);
INSERT INTO by_day SELECT pad(i, 4), date '0001-01-01 BC' + (i / 4)::int FROM generate_series(1, 20000) i;
INSERT INTO by_day VALUES ('x', 'infinity'), ('y', '-infinity'), ('z', NULL), ('w', '5874897-12-31');
CREATE INDEX ON by_day ("the ""day""" DESC NULLS LAST, s);

CREATE TABLE by_small (k int2 NOT NULL, s text);
INSERT INTO by_small SELECT (i * 65535 / 20000 - 32768)::int2, pad(i, 4) FROM generate_series(0, 20000) i;
CREATE INDEX ON by_small (k);

CREATE TABLE by_large (k int8 UNIQUE, s text);
INSERT INTO by_large SELECT i * 922337203685477::int8, pad(i, 4) FROM generate_series(-9999, 9999) i;
INSERT INTO by_large VALUES (9223372036854775807, 'last'), (-9223372036854775808, 'first'), (NULL, 'none'), (NULL, 'none');

-- Later rows lie where earlier ones were.
CREATE TABLE refilled (id int8 PRIMARY KEY, s text);
INSERT INTO refilled SELECT i, pad(i, 4) FROM generate_series(1, 20000) i;
DELETE FROM refilled WHERE id <= 8000;
VACUUM refilled;
INSERT INTO refilled SELECT i, pad(i, 4) FROM generate_series(20001, 28000) i;

CREATE TABLE as_text (id int PRIMARY KEY, r regclass, s text);
INSERT INTO as_text SELECT i, 'pg_class', pad(i, 4) FROM generate_series(1, 20000) i;

-- No key that helps.
CREATE TABLE scattered (k int8 PRIMARY KEY, s text);
INSERT INTO scattered SELECT i::int8 * 7919 % 20011, pad(i, 4) FROM generate_series(1, 20000) i;
CREATE TABLE same (k int, s text);
INSERT INTO same SELECT 7, pad(i, 4) FROM generate_series(1, 20000) i;
CREATE INDEX ON same (k);
CREATE TABLE nowhere (k int, s text);
INSERT INTO nowhere SELECT NULL, pad(i, 4) FROM generate_series(1, 20000) i;
CREATE INDEX ON nowhere (k);
CREATE TABLE open_ended (until date, s text);
INSERT INTO open_ended SELECT CASE WHEN i > 4000 THEN 'infinity' ELSE date '2020-01-01' + i::int END, pad(i, 4) FROM generate_series(1, 20000) i;
CREATE INDEX ON open_ended (until);
CREATE TABLE partly (k int, s text);
INSERT INTO partly SELECT i, pad(i, 4) FROM generate_series(1, 20000) i;
CREATE INDEX ON partly (k) WHERE k < 100;
CREATE INDEX ON partly ((k + 1));
CREATE INDEX ON partly USING hash (k);

-- Names that the statement has uses for itself, and as many rows on a page as there can be.
CREATE TABLE lines (page int, lines text, tids text, t int, r int, p int, pages text, n int);
INSERT INTO lines SELECT i, pad(i, 2), i, i, i, i, i, i FROM generate_series(1, 20000) i;
CREATE TABLE narrow ();
INSERT INTO narrow SELECT FROM generate_series(1, 120000);
-- Pages of nothing but dead rows, and an end that a vacuum may cut off.
CREATE TABLE hollow (k int, s text);
INSERT INTO hollow SELECT i, pad(i, 4) FROM generate_series(1, 30000) i;
DELETE FROM hollow WHERE k BETWEEN 5000 AND 20000 OR k > 25000;
CREATE TABLE toasted (k int, s text);
ALTER TABLE toasted ALTER s SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, pad(i, 500) FROM generate_series(1, 400) i;

CREATE TABLE parent (id int PRIMARY KEY, s text);
CREATE TABLE child (extra int) INHERITS (parent);
INSERT INTO parent SELECT i, pad(i, 4) FROM generate_series(1, 20000) i;
INSERT INTO child SELECT i, pad(i, 4), i FROM generate_series(1, 20000) i;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, s text);
INSERT INTO unlogged SELECT i, pad(i, 4) FROM generate_series(1, 20000) i;
