SELECT (SELECT count(*) FROM large), (SELECT count(*) FROM orders), (SELECT count(*) FROM documents),
    (SELECT count(*) FROM samples WHERE at < '2025-01-01Z'), (SELECT count(*) FROM moods), (SELECT count(*) FROM kinds),
    (SELECT count(*) FROM slow_a), (SELECT count(*) FROM slow_b), (SELECT count(*) FROM slow_view),
    (SELECT count(*) FROM nothing), (SELECT max(length(body)) FROM wide), (SELECT count(*) FROM pg_largeobject_metadata),
    (SELECT sum(('x' || substr(md5(m::text), 1, 16))::bit(64)::bigint::numeric) FROM moods m);
