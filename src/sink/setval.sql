SELECT pg_catalog.setval(seqrelid, :value, :called)
FROM pg_catalog.pg_sequence
WHERE seqrelid = pg_catalog.to_regclass(:name)
  AND NOT (:forward AND coalesce(CASE WHEN seqincrement > 0 THEN pg_catalog.pg_sequence_last_value(seqrelid) >= :value
                                      ELSE pg_catalog.pg_sequence_last_value(seqrelid) <= :value END, false))
