-- Each built-in type with the values at its edges, in tables of one type and in wide ones, and in arrays.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET extra_float_digits = 3;

CREATE TABLE integers (a int2, b int4, c int8, d oid, e bool, f "char", g xid, h cid, i xid8, j tid, k int2vector, l oidvector);
INSERT INTO integers VALUES
    (-32768, -2147483648, -9223372036854775808, 0, true, '\000', '0', '0', '0', '(0,0)', '', ''),
    (32767, 2147483647, 9223372036854775807, 4294967295, false, '\377', '4294967295', '4294967295', '18446744073709551615', '(4294967295,65535)', '-32768 32767', '0 4294967295'),
    (0, 0, 0, 1, NULL, 'x', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO integers (a, b, c) SELECT i % 30000, i * 7919, i::int8 * 1000000007 FROM generate_series(-2000, 2000) i;
CREATE TABLE floats (a float4, b float8, c money);
INSERT INTO floats VALUES
    ('NaN', 'NaN', '-92233720368547758.08'), ('Infinity', 'Infinity', '92233720368547758.07'), ('-Infinity', '-Infinity', '0'),
    ('-0', '-0', '-0.01'), (1e-45, 5e-324, '0.01'), (3.4028235e38, 1.7976931348623157e308, NULL), (0.1, 0.1, '1'), (NULL, NULL, NULL),
    (1.17549435e-38, 2.2250738585072014e-308, '1234.56');
CREATE TABLE numerics (a numeric, b numeric(10, 3), c numeric(1000, 500), d numeric(3, -2), e numeric(2, 4));
INSERT INTO numerics VALUES
    ('NaN', 'NaN', 'NaN', 'NaN', 'NaN'), ('Infinity', NULL, NULL, NULL, NULL), ('-Infinity', NULL, NULL, NULL, NULL), (0, -0.000, 0, 0, 0),
    (('1' || repeat('0', 131071))::numeric, 9999999.999, ('1' || repeat('0', 499) || '.' || repeat('9', 500))::numeric, 99900, 0.0099),
    (('0.' || repeat('0', 16382) || '1')::numeric, -9999999.999, -0.5, -12345, -0.0001), (1.10, 1.1, 1.1, 149, NULL), (1.100000, NULL, NULL, NULL, NULL),
    (10000, 10000, 10000, 10000, NULL), (0.0001, 0.001, 0.0001, 1, NULL);
INSERT INTO numerics (a, b) SELECT i / 7.0, i / 11.0 FROM generate_series(-2000, 2000) i;
CREATE TABLE times (d date, t time, t3 time(3), tz timetz, ts timestamp, ts0 timestamp(0), tstz timestamptz, i interval, im interval month, i2 interval second(2));
INSERT INTO times VALUES
    ('-infinity', '00:00', '00:00', '00:00+15:59:59', '-infinity', '-infinity', '-infinity', '-178000000 years', '-178000000 years', '-1.005'),
    ('infinity', '24:00', '24:00', '24:00-15:59:59', 'infinity', 'infinity', 'infinity', '178000000 years', '178000000 years', '1.005'),
    ('4714-11-24 BC', '23:59:59.999999', '23:59:59.999', '23:59:59.999999-01:23:45', '4714-11-24 00:00:00 BC', '0001-01-01 BC', '4714-11-24 00:00:00+00 BC', '1 mon -1 day 00:00:00.000001', '0', '0'),
    ('5874897-12-31', '12:34:56.789', '12:34:56.7894', '12:34:56+00', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59', '294276-12-31 23:59:59.999999+00', '-1 mon 1 day -00:00:00.000001', '1 mon', '59.99'),
    ('0001-12-31 BC', NULL, NULL, NULL, '1999-12-31 23:59:59.9999995', '1999-12-31 23:59:59.5', '1969-12-31 23:59:59.999999+00', '2147483647 days', NULL, NULL),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO times (d, t, ts, tstz, i) SELECT '2000-01-01'::date + i, time '00:00' + i * interval '1 s', '2000-01-01'::timestamp + i * interval '7 h 0.000001 s',
    '2000-01-01'::timestamptz + i * interval '1 h', i * interval '1 mon 1 day 1.5 s' FROM generate_series(-1000, 1000) i;
CREATE TABLE texts (id int, t text, v varchar(20), c char(5), n name, b bytea, r refcursor);
INSERT INTO texts VALUES
    (1, '', '', '', '', '', ''), (2, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, E'tab\tnew\nline\r\nback\\slash \\. \\N \b\f\v\x01\x7f', E'\\.', E'\\N', E'\\', E'\\x5c2e0a', E'\n'),
    (4, '\.', E'\n', '     ', 'NULL', decode('00ff0a0d5c09', 'hex'), '\N'), (5, E'\u00e9\u4e2d\U0001F600\u200b\ufeff e\u0301', '😀', 'ž', repeat('n', 63), '\000'::bytea, 'x'),
    (6, repeat('x', 1000000), NULL, NULL, NULL, decode(repeat('00', 1000000), 'hex'), NULL);
INSERT INTO texts (id, t, v, b) SELECT i, repeat(chr(33 + i % 90), i % 300), i::text, sha512(i::text::bytea) FROM generate_series(7, 3000) i;
CREATE TABLE bits (a bit, b bit(17), c varbit, d varbit(5));
INSERT INTO bits VALUES ('0', '00000000000000000', '', ''), ('1', '11111111111111111', repeat('10', 5000)::varbit, '10101'), (NULL, NULL, NULL, NULL), ('1', '10000000000000001', '1', '0');
CREATE TABLE documents (j json, jb jsonb, jp jsonpath, x xml, ts tsvector, tq tsquery);
INSERT INTO documents VALUES
    (E' {"a" :  1,\n "a": 2, "\\u0000": "\\ud83d\\ude00"} ', '{"ž": [1, null, true, "\u0001\\\""], "e": 1e400, "n": -0.10, "": {}}', '$', '<a b="c">&lt;é</a>', '', ''),
    ('null', 'null', 'strict $.a[*] ? (@ > 1 && @.type() == "x").size()', '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE a><a/>', 'a:1A,2B,16383D ''b'''' c'' d:3', '(a | !b:*AB) & ''c'''' d'' <3> e'),
    ('1e400', '[]', 'lax $."é"[last - 1 to last] ? (@ like_regex "^a" flag "i")', 'text, and <b/> no root', 'é', '!a'), (NULL, NULL, NULL, NULL, NULL, NULL),
    ('"\t"', '"x"', '-(1 + 2)', '', $$'\\ '' x':7B y$$, NULL);
INSERT INTO documents (j, jb, ts) SELECT format('{"i": %s}', i)::json, jsonb_build_object('i', i, 'a', ARRAY[i, NULL]), to_tsvector('simple', 'w' || i || ' x') FROM generate_series(1, 2000) i;
CREATE TABLE networks (i inet, c cidr, m macaddr, m8 macaddr8, u uuid);
INSERT INTO networks VALUES
    ('0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '00000000-0000-0000-0000-000000000000'),
    ('255.255.255.255', '255.255.255.255/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    ('::', '::/0', NULL, '08:00:2b:01:02:03', NULL), ('::ffff:1.2.3.4/96', 'fe80::/10', NULL, NULL, NULL), ('192.168.1.5/24', '10.1/16', NULL, NULL, NULL), (NULL, NULL, NULL, NULL, NULL);
INSERT INTO networks (i, u) SELECT '10.0.0.0'::inet + i, md5(i::text)::uuid FROM generate_series(1, 2000) i;
CREATE TABLE shapes (p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO shapes VALUES
    ('(-0,NaN)', '{1,-1,0}', '((0,0),(1e300,-1e-300))', '((1,1),(0,0))', '[(0,0),(1,1)]', '((0,0))', '<(0,0),0>'),
    ('(Infinity,-Infinity)', '{0,1,-2}', '((1,2),(1,2))', '((Infinity,1),(0,-Infinity))', '((0,0),(1,1),(2,0))', '((0,0),(1,1),(2,0))', '<(1,2),Infinity>'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE ranges (a int4range, b int8range, c numrange, d daterange, e tsrange, f tstzrange, am int4multirange, bm int8multirange, cm nummultirange, dm datemultirange, em tsmultirange, fm tstzmultirange);
INSERT INTO ranges VALUES
    ('empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{}', '{}', '{}', '{}', '{}'),
    ('(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}'),
    ('[-2147483648,2147483647)', '[1,1]', '[NaN,NaN]', '[-infinity,infinity]', '[-infinity,infinity)', '(2000-01-01,]', '{[1,2),[3,4)}', '{(,1),[5,)}', '{[1.10,1.1],(2,3)}', '{[2000-01-01,2000-01-02]}', '{(,2000-01-01)}', '{[2000-01-01 00:00+00,2000-01-01 01:00+00)}'),
    ('(,5]', '[5,)', '(1.5,2.50]', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE of_the_system (l pg_lsn, s pg_snapshot, x txid_snapshot, rc regclass, rp regproc, rpp regprocedure, ro regoper, rop regoperator, rt regtype, rr regrole, rn regnamespace, rcfg regconfig, rd regdictionary, rcoll regcollation, a aclitem, aa aclitem[]);
INSERT INTO of_the_system VALUES
    ('0/0', '1:1:', '10:20:10,14,15', 'times', 'pg_sleep', 'lower(text)', '||/', '+(integer,integer)', 'numeric[]', 'alice', 'public', 'english', 'simple', '"C"', 'alice=r*/postgres', '{=r/postgres,"\"Bob o''x\"=arwdDxt/alice"}'),
    ('FFFFFFFF/FFFFFFFF', '18446744073709551614:18446744073709551615:', NULL, 'pg_toast.pg_toast_2619', '0', '-', '0', '0', '-', '-', '-', '-', '-', '-', NULL, '{}'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO of_the_system (rc, rt) SELECT 'texts', 'int4' FROM generate_series(1, 2000) i;

-- Arrays: empty, with NULLs, of several dimensions, with lower bounds of their own.
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('sad', 'so ''so"', '{,}', '');
CREATE DOMAIN small_pair AS pair CHECK ((VALUE).a < 100);
CREATE DOMAIN small_pairs AS small_pair[] CHECK (cardinality(VALUE) < 10);
CREATE TABLE arrays (i int[], n numeric[], t text[], d date[], b bytea[], j jsonb[], r int4range[], m mood[], p pair[], sp small_pair[], sps small_pairs, v varchar(3)[], bx box[], tt timestamptz[], a int[][][]);
INSERT INTO arrays VALUES
    ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    ('[-2147483648:-2147483647]={1,NULL}', '[5:6]={NaN,1.10}', '[0:1][-1:0]={{"a","NULL"},{NULL,"\"\\{},"}}', '[3:3]={infinity}', '{"\\x00",NULL}', '{"{}","null",NULL}', '{empty,"[1,5)"}',
     '{sad,"so ''so\"","{,}","",NULL}', ARRAY[ROW(1, 'x"y')::pair, ROW(NULL, NULL)::pair, NULL], ARRAY[ROW(1, 'x')::small_pair, NULL], ARRAY[ROW(2, '{}')::small_pair], '{abc,""}', '{(1,1),(0,0);(2,2),(1,1)}',
     '{-infinity,"2000-01-01 00:00:00.000001+00"}', '[1:1][2:2][3:4]={{{1,NULL}}}'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO arrays (i, t, m, p) SELECT ARRAY[i, NULL, -i], ARRAY['t' || i, ''], ARRAY[(enum_range(NULL::mood))[1 + i % 4]], ARRAY[ROW(i, 'p')::pair] FROM generate_series(1, 2000) i;
CREATE TABLE rowtypes (t texts, b bits[], p pair);
INSERT INTO rowtypes SELECT w, ARRAY[ROW('1', NULL, '10', NULL)::bits], ROW(1, NULL)::pair FROM texts w WHERE id < 6;
