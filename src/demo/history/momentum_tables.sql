-- A model of Momentum's statistics after its manuals: look-ups, four windows, a console with its users.
CREATE SCHEMA webconsole;
CREATE SCHEMA rt_log;
CREATE SCHEMA rt_log_1min;
CREATE SCHEMA rt_log_15min;
CREATE SCHEMA rt_log_1h;
CREATE SCHEMA rt_log_1d;

CREATE TABLE webconsole.users (
    user_id serial PRIMARY KEY,
    login varchar(64) NOT NULL UNIQUE,
    full_name text,
    email varchar(320),
    password_hash text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    last_login timestamptz
);
CREATE TABLE webconsole.roles (
    role_id serial PRIMARY KEY,
    name varchar(64) NOT NULL UNIQUE,
    privileges text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE webconsole.groups (group_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE webconsole.group_assignments (
    group_id integer NOT NULL REFERENCES webconsole.groups ON DELETE CASCADE,
    user_id integer NOT NULL REFERENCES webconsole.users ON DELETE CASCADE,
    role_id integer NOT NULL REFERENCES webconsole.roles DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (group_id, user_id)
);

CREATE TABLE rt_log.nodes (
    node_id smallint PRIMARY KEY,
    name varchar(255) NOT NULL UNIQUE,
    subcluster varchar(64) NOT NULL,
    address inet NOT NULL
);
CREATE TABLE rt_log.bindings (
    binding_id integer PRIMARY KEY,
    name varchar(255) NOT NULL,
    addresses inet[] NOT NULL,
    node_id smallint NOT NULL REFERENCES rt_log.nodes
);
CREATE TABLE rt_log.domains (domain_id integer PRIMARY KEY, name varchar(255) NOT NULL UNIQUE);
CREATE TABLE rt_log.bounce_reasons (
    reason_id integer PRIMARY KEY,
    class smallint NOT NULL CHECK (class BETWEEN 0 AND 100),
    phase smallint NOT NULL CHECK (phase BETWEEN 0 AND 22),
    reason text NOT NULL
);

CREATE TABLE rt_log_1min.domain_stats (
    stat_time timestamptz NOT NULL,
    node_id smallint NOT NULL,
    domain_id integer NOT NULL,
    receptions integer NOT NULL,
    deliveries integer NOT NULL,
    transient_failures integer NOT NULL,
    permanent_failures integer NOT NULL,
    inband_bounces integer NOT NULL,
    outofband_bounces integer NOT NULL,
    active_queue integer NOT NULL,
    delayed_queue integer NOT NULL,
    delivery_time double precision
);
CREATE TABLE rt_log_1min.binding_stats (
    stat_time timestamptz NOT NULL,
    node_id smallint NOT NULL,
    binding_id integer NOT NULL,
    deliveries bigint NOT NULL,
    transient_failures bigint NOT NULL,
    permanent_failures bigint NOT NULL,
    bytes_sent numeric(20, 0) NOT NULL
);
CREATE TABLE rt_log_1min.bounces (
    stat_time timestamptz NOT NULL,
    node_id smallint NOT NULL,
    domain_id integer NOT NULL,
    reason_id integer NOT NULL,
    occurrences integer NOT NULL,
    sample_reply text
);
CREATE TABLE rt_log_1min.delivery_times (
    stat_time timestamptz NOT NULL,
    binding_id integer NOT NULL,
    attempts smallint[] NOT NULL,
    p50 real,
    p99 real,
    longest interval
);

-- The other windows look the same; those that are kept for long have a child per month.
DO $$
DECLARE
    window_schema text;
    family text;
    month date;
BEGIN
    FOREACH family IN ARRAY ARRAY['domain_stats', 'binding_stats', 'bounces', 'delivery_times'] LOOP
        FOREACH window_schema IN ARRAY ARRAY['rt_log_15min', 'rt_log_1h', 'rt_log_1d'] LOOP
            EXECUTE format('CREATE TABLE %I.%I (LIKE rt_log_1min.%I)', window_schema, family, family);
        END LOOP;
        FOREACH window_schema IN ARRAY ARRAY['rt_log_1h', 'rt_log_1d'] LOOP
            FOR month IN SELECT generate_series(date '2024-01-01', date '2024-06-01', '1 month') LOOP
                EXECUTE format(
                    'CREATE TABLE %1$I.%2$I (CHECK (stat_time >= %3$L AND stat_time < %4$L)) INHERITS (%1$I.%5$I)',
                    window_schema, family || to_char(month, '_YYYY_MM'),
                    month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00', family);
            END LOOP;
        END LOOP;
    END LOOP;
END;
$$;
