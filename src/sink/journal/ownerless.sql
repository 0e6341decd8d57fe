-- Entries that were refused for want of a privilege, and were restored without their owner.
SELECT substr(b.step, length('bare ') + 1)
FROM :schema.step b
JOIN :schema.step e ON e.migration = b.migration AND e.step = 'entry ' || substr(b.step, length('bare ') + 1)
WHERE b.step LIKE 'bare %' AND e.message IS NOT NULL AND e.sqlstate = '42501'
ORDER BY substr(b.step, length('bare ') + 1)::int
