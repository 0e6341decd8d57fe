-- Sequences that cannot be set: (name, why). One that is not there is named where it should be.
SELECT s.name, w.why
FROM unnest(:names::text[], :values::bigint[]) AS s (name, value)
CROSS JOIN LATERAL (SELECT to_regclass(s.name) AS oid) r
LEFT JOIN pg_sequence q ON q.seqrelid = r.oid
CROSS JOIN LATERAL (
    SELECT CASE WHEN q.seqrelid IS NULL THEN CASE WHEN :required THEN 'missing' END
                WHEN NOT has_sequence_privilege(q.seqrelid, 'UPDATE') THEN 'not ours'
                -- Its value is asked for first.
                WHEN :forward AND NOT has_sequence_privilege(q.seqrelid, 'SELECT, USAGE') THEN 'unseen'
                WHEN s.value NOT BETWEEN q.seqmin AND q.seqmax THEN 'too narrow'
           END AS why
) w
WHERE w.why IS NOT NULL
