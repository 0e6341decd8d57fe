-- The disks: most of the bytes. Latencies begin as integers of nanoseconds: a cast from double precision
-- to numeric takes twice as long (0.85 s against 0.4 s for 500,000 values).
SELECT setseed(0.17) \g /dev/null

INSERT INTO vm_disk_samples_history
    (history_datetime, vm_disk_id, image_id, vm_disk_status, vm_disk_actual_size_mb,
     read_rate_bytes_per_second, read_latency_seconds, write_rate_bytes_per_second,
     write_latency_seconds, flush_latency_seconds, vm_disk_configuration_version,
     read_ops_total_count, write_ops_total_count)
SELECT pg_temp.at(i / :disks), pg_temp.entity('disk', d), pg_temp.entity('image', d), 1, 10240 + 512 * (d % 90),
       CASE WHEN d % 3 = 0 THEN 0 ELSE (random() * random() * 3e7)::bigint END,
       (random() * random() * 2e7)::int * 1e-9, (random() * 9e6)::bigint,
       (random() * 4e6)::int * 1e-9, CASE WHEN d % 5 <> 0 THEN (random() * 1e6)::int * 1e-9 END,
       1 + d, (1000000 * d + i / :disks * 977 + (random() * 900)::int)::numeric,
       (2000000 * d + i / :disks * 1811 + (random() * 1800)::int)::numeric
FROM (SELECT i, i % :disks AS d FROM generate_series(0, :disk_samples - 1::bigint) AS i) AS sample;

INSERT INTO vm_disk_hourly_history
    (history_datetime, vm_disk_id, image_id, vm_disk_status, vm_disk_actual_size_mb,
     read_rate_bytes_per_second, max_read_rate_bytes_per_second, read_latency_seconds,
     max_read_latency_seconds, write_rate_bytes_per_second, max_write_rate_bytes_per_second,
     write_latency_seconds, max_write_latency_seconds, flush_latency_seconds,
     vm_disk_configuration_version, read_ops_total_count, write_ops_total_count)
SELECT pg_temp.at(i / :disks * 60), pg_temp.entity('disk', d), pg_temp.entity('image', d), 1, 10240 + 512 * (d % 90),
       rate, (rate * (1 + random()))::bigint, latency::int * 1e-9, (latency * 4 * random())::int * 1e-9,
       rate / 3, (rate * random())::bigint, (latency / 5)::int * 1e-9, (latency * random())::int * 1e-9,
       CASE WHEN d % 5 <> 0 THEN (latency / 7)::int * 1e-9 END,
       1 + d, (1000000 * d + i / :disks * 58620 + (random() * 900)::int)::numeric,
       (2000000 * d + i / :disks * 108660 + (random() * 1800)::int)::numeric
FROM (SELECT i, i % :disks AS d, (random() * random() * 3e7)::bigint AS rate, random() * random() * 2e7 AS latency
      FROM generate_series(0, :disk_hourly - 1::bigint) AS i) AS sample;

-- What a guest agent tells: long, and the same from minute to minute but for a few digits.
INSERT INTO vm_disks_usage_samples_history (history_datetime, vm_id, disks_usage)
SELECT pg_temp.at(i / :vms), pg_temp.entity('vm', v),
       '[{"path":"/","total":"53675536384","used":"' || 8000000000 + v * 1048576 + i / :vms / 30 * 40960
       || '","fs":"xfs"},{"path":"/boot","total":"1063256064","used":"' || 260000000 + v % 40 * 4096
       || '","fs":"xfs"},{"path":"/var/lib/' || substr(md5(v::text), 1, 8 + v::int % 20)
       || '","total":"1099511627776","used":"' || 400000000000 + v * 7340032 + (random() * 9)::int * 4096
       || '","fs":"ext4"}]'
FROM (SELECT i, i % :vms AS v FROM generate_series(0, :usage_samples - 1::bigint) AS i) AS sample;
