-- Windows of counters per node, domain and binding; replies of remote servers make the bulk of the text.
SELECT setseed(0.24) \g /dev/null

INSERT INTO webconsole.users (login, full_name, email, password_hash, last_login)
SELECT 'operator' || u, 'Operator Number ' || u, 'operator' || u || '@example.net', md5('salt' || u),
       timestamptz '2024-06-01 08:00+00' + make_interval(mins => u)
FROM generate_series(1, 200) AS u;
INSERT INTO webconsole.roles (name, privileges)
VALUES ('admin', '{read,write,"grant, revoke"}'), ('operator', '{read,write}'), ('viewer', '{read}'), ('none', '{}');
INSERT INTO webconsole.groups (name) SELECT 'group ' || g FROM generate_series(1, 12) AS g;
INSERT INTO webconsole.group_assignments SELECT 1 + u % 12, u, 1 + u % 4 FROM generate_series(1, 200) AS u;

INSERT INTO rt_log.nodes
SELECT n, 'mta' || n || '.mail.example.net', 'subcluster' || n % 3, ('192.0.2.' || n)::inet
FROM generate_series(1, 8) AS n;
INSERT INTO rt_log.bindings
SELECT b, 'binding-' || b, ARRAY['198.51.100.' || b % 250, '2001:db8::' || to_hex(b) || '/128']::inet[], 1 + b % 8
FROM generate_series(1, 64) AS b;
INSERT INTO rt_log.domains
SELECT d, CASE WHEN d = 1 THEN 'münchen.example' ELSE substr(md5(d::text), 1, 4 + d % 9) || d || '.example.com' END
FROM generate_series(1, 1000) AS d;
INSERT INTO rt_log.bounce_reasons
SELECT r, r % 20 * 5, r % 23, '5' || r % 10 || '0 5.' || r % 7 || '.' || r % 9 || ' reason number ' || r
FROM generate_series(1, 400) AS r;

-- One line per schema: its name, the width of a window, rows in all, begin.
CREATE TEMP TABLE span (schema_name text, width interval, total bigint, since timestamptz);
INSERT INTO span VALUES
    ('rt_log_1min', '1 minute', :mail_1min, '2024-06-30 18:00+00'),
    ('rt_log_15min', '15 minutes', :mail_15min, '2024-06-29 00:00+00'),
    ('rt_log_1h', '1 hour', :mail_1h, '2024-01-01 00:00+00'),
    ('rt_log_1d', '1 day', :mail_1d, '2024-01-01 00:00+00');

CREATE FUNCTION pg_temp.fill(into_table text, since timestamptz, until timestamptz, total bigint, family text)
RETURNS void LANGUAGE plpgsql AS $fill$
DECLARE
    columns text := CASE family
        WHEN 'domain_stats' THEN
            '1 + i % 8, (1 + i / 8 % 1000)::int, (random() * random() * 5000)::int, (random() * 3000)::int, '
            '(random() * random() * 90)::int, (random() * random() * 20)::int, (i % 5)::int, (i % 3)::int, '
            '(random() * 40)::int, (random() * random() * 400)::int, '
            'CASE WHEN i % 4 > 0 THEN random() * 12 END'
        WHEN 'binding_stats' THEN
            '1 + i % 8, (1 + i % 64)::int, (random() * 90000)::bigint, (random() * 900)::bigint, '
            '(random() * 90)::bigint, (random() * 9e9)::bigint::numeric'
        WHEN 'bounces' THEN
            '1 + i % 8, (1 + i * 7919 % 1000)::int, r, (1 + random() * random() * 300)::int, '
            'CASE WHEN i % 10 > 1 THEN ''550 5.'' || r % 7 || ''.1 <user'' || (random() * 9000)::int || ''@'' '
            '|| substr(md5((i % 1000)::text), 1, 9) || ''.example.com>: Recipient address rejected: '' '
            '|| ''User unknown in virtual mailbox table; see https://support.example.com/bounce/'' || r END'
        ELSE
            '(1 + i % 64)::int, ARRAY[1, i % 3, NULL, i % 7]::smallint[], (random() * 4)::real, (4 + random() * 90)::real, '
            'make_interval(secs => round(random()::numeric * 4000, 3)::float8)'
    END;
BEGIN
    EXECUTE format(
        'INSERT INTO %s SELECT date_trunc(''minute'', $1 + ($2 - $1) * (i * $4 / $3 / $4::float8)), %s '
        'FROM (SELECT i, (1 + i * 31 %% 400)::int AS r FROM generate_series(0, $3 - 1) AS i) AS event',
        into_table, columns) USING since, until, total, greatest(1, total / 512);
END;
$fill$;

-- Rows of the long windows lie in the children alone.
SELECT pg_temp.fill(
    format('%I.%I', schema_name, family), since, since + width * 360,
    (total * share / 100)::bigint, family)
FROM span, (VALUES ('domain_stats', 50), ('binding_stats', 20), ('bounces', 20), ('delivery_times', 10)) AS f (family, share)
WHERE schema_name IN ('rt_log_1min', 'rt_log_15min') \g /dev/null
SELECT pg_temp.fill(
    format('%I.%I', schema_name, family || to_char(month, '_YYYY_MM')), month, month + interval '1 month',
    (total * share / 100 / 6)::bigint, family)
FROM span, (VALUES ('domain_stats', 50), ('binding_stats', 20), ('bounces', 20), ('delivery_times', 10)) AS f (family, share),
     generate_series(timestamptz '2024-01-01 00:00+00', timestamptz '2024-06-01 00:00+00', '1 month') AS month
WHERE schema_name IN ('rt_log_1h', 'rt_log_1d')
ORDER BY schema_name, family, month \g /dev/null
