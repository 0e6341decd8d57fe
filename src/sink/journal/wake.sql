-- What lets the triggers act that sleep, as far as they are still there.
SELECT s.statement
FROM :schema.step s
JOIN pg_catalog.pg_event_trigger t ON pg_catalog.quote_ident(t.evtname) = s.object AND t.evtenabled = 'D'
WHERE s.step LIKE 'asleep %'
ORDER BY s.step
