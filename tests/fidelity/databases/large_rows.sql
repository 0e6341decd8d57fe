-- Rows of hundreds of megabytes, in binary and, beside a type that has no portable one, as text.
SET client_min_messages = warning;
CREATE TABLE large (id int, b bytea, t text);
ALTER TABLE large ALTER b SET STORAGE EXTERNAL, ALTER t SET STORAGE EXTERNAL;
WITH noise AS (SELECT string_agg(sha512(i::text::bytea), '') AS b FROM generate_series(1, 16384) i)
INSERT INTO large SELECT 1, (SELECT string_agg(b || i::text::bytea, '') FROM noise, generate_series(1, 300) i), 'short';
INSERT INTO large SELECT 2, NULL, repeat('a long text without an end ', 6000000);
INSERT INTO large SELECT i, sha256(i::text::bytea), 'short' FROM generate_series(3, 200) i;
CREATE TABLE large_by_name (r regclass, b bytea);
ALTER TABLE large_by_name ALTER b SET STORAGE EXTERNAL;
INSERT INTO large_by_name SELECT 'large', substr(b, 1, 120000000) FROM large WHERE id = 1;
-- Almost as long as the server can make one.
CREATE TABLE longest (a text, b text, c text);
INSERT INTO longest SELECT repeat('the first of three ', 16000000), repeat('the second of three ', 15000000), repeat('x', 300000000);
