-- Of each unlogged table its name, rows and a checksum; a sum forgets the order of the rows and nothing else.
SELECT 'fleeting', count(*), sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric)
    FROM fleeting t
UNION ALL SELECT 'fleeting_details', count(*), sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric)
    FROM fleeting_details t
UNION ALL SELECT 'fleeting_samples', count(*), sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric)
    FROM fleeting_samples t
ORDER BY 1;
