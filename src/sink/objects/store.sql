SELECT count(lo_create(loid)) FROM pg_temp.pgpipe_objects WHERE at < 0;
-- Each stands where it stood, in any order; what no row covers stays a hole.
SELECT count(*) FROM (SELECT lo_put(loid, at, data) FROM pg_temp.pgpipe_objects
                      WHERE at >= 0 AND length(data) > 0 OFFSET 0) put;
-- An object that was cut at the edge of a page ends with an empty one. 131072 is INV_WRITE.
SELECT count(lo_truncate64(lo_open(loid, 131072), ending))
FROM (SELECT loid, max(at + length(data)) AS ending
      FROM pg_temp.pgpipe_objects
      WHERE at >= 0
      GROUP BY loid
      HAVING bool_or(length(data) = 0)) cut;
INSERT INTO :schema.large_object (migration, chunk, oids)
SELECT :id, :chunk, array_agg(loid ORDER BY loid) FROM pg_temp.pgpipe_objects WHERE at < 0 HAVING count(*) > 0
