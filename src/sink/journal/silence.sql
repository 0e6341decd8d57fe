-- Event triggers that would act on the end of the journal, with what brings each back to how it is. Only those
-- that the role may alter; commands on event triggers fire none.
SELECT pg_catalog.format('ALTER EVENT TRIGGER %I DISABLE', evtname),
       pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE %s', evtname,
                         CASE evtenabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END)
FROM pg_catalog.pg_event_trigger
WHERE evtenabled <> 'D' AND evtevent <> 'login' AND pg_catalog.pg_has_role(evtowner, 'USAGE')
