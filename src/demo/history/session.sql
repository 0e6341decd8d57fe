-- Of every session that makes history: the same words for the same things, and no noise on the way.
SET TimeZone = 'UTC';
SET client_min_messages = warning;
SET maintenance_work_mem = '256MB';
SET synchronous_commit = off;
SET jit = off;

CREATE FUNCTION pg_temp.entity(kind text, n bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT md5(kind || n)::uuid $$;

CREATE FUNCTION pg_temp.at(minute bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT timestamptz '2024-03-01 00:00:00.25+00' + make_interval(secs => minute * 60)
$$;

