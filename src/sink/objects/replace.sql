-- The target's own that have the OIDs of those that come.
SELECT count(lo_unlink(m.oid))
FROM pg_temp.pgpipe_objects o
JOIN pg_largeobject_metadata m ON m.oid = o.loid
WHERE o.at < 0
