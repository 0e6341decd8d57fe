-- Of which instant of the source the journal is, and what was done once, each with when.
SELECT 'snapshot', extract(epoch FROM snapshot_time::timestamptz)::text FROM pgpipe.migration
UNION ALL SELECT format('chunk %s.%s', chunk, part), committed::text FROM pgpipe.chunk
UNION ALL SELECT format('unlogged %s.%s', chunk, part), committed::text FROM pgpipe.chunk_unlogged
UNION ALL SELECT 'step ' || step, done::text FROM pgpipe.step
