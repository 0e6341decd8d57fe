-- Larger than a chunk.
CREATE SCHEMA app;
CREATE TABLE public.big (i int PRIMARY KEY, tenant int NOT NULL, at timestamptz NOT NULL, s text);
INSERT INTO public.big SELECT g, g % 4, '2026-01-01'::timestamptz + g * interval '3 minutes', repeat(md5(g::text), 4)
FROM generate_series(1, 20000) g;
CREATE INDEX ON public.big (at);
CREATE INDEX ON public.big (tenant);
CREATE TABLE app.lines (i int, s text);
INSERT INTO app.lines SELECT (g * 7919) % 20011, CASE WHEN g % 10 > 0 THEN repeat(md5(g::text), 4) END
FROM generate_series(1, 20000) g;
-- Of other kinds.
CREATE TABLE app.as_text (i int, c regclass);
INSERT INTO app.as_text VALUES (1, 'public.big'), (2, 'app.lines'), (3, NULL);
CREATE TABLE app.events (at date, i int) PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM ('2026-02-01') TO ('2026-06-01') PARTITION BY LIST (i);
CREATE TABLE app.odd PARTITION OF app.events_2 FOR VALUES IN (1, 3, 5, 7, 9);
CREATE TABLE app.even PARTITION OF app.events_2 FOR VALUES IN (0, 2, 4, 6, 8);
INSERT INTO app.events SELECT '2026-01-01'::date + g, g % 10 FROM generate_series(0, 120) g;
CREATE TABLE app.parent (i int);
CREATE TABLE app.child () INHERITS (app.parent);
INSERT INTO app.parent SELECT generate_series(1, 10);
INSERT INTO app.child SELECT generate_series(1, 10);
CREATE TABLE app.counted (i int, gone int, twice int GENERATED ALWAYS AS (i * 2) STORED);
ALTER TABLE app.counted DROP COLUMN gone;
INSERT INTO app.counted SELECT generate_series(1, 10);
CREATE TABLE app.bare (seven int GENERATED ALWAYS AS (7) STORED);
INSERT INTO app.bare DEFAULT VALUES;
CREATE UNLOGGED TABLE app.unlogged AS SELECT i FROM generate_series(1, 20) i;
CREATE TABLE app."We""ird=;" (i int, "C)ol; --" text);
INSERT INTO app."We""ird=;" VALUES (1, 'a''b'), (2, 'a'), (3, NULL);
CREATE TABLE app.refers (i int, big int);
INSERT INTO app.refers SELECT g, g FROM generate_series(1, 100) g;
CREATE TABLE app.whole AS SELECT i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW app.kept AS SELECT count(*) FROM public.big;
CREATE VIEW app.seen AS SELECT i FROM public.big;
