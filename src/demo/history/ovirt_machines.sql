-- One row per entity and minute (or hour), in the same order of entities each time, ids counting up.
-- Everything is a function of one counter, so that the order of the rows does not hang on a plan.
SELECT setseed(0.42) \g /dev/null

INSERT INTO enum_translator
SELECT kind, key, 'us-en', kind || ' ' || key
FROM unnest(ARRAY['VM_STATUS', 'HOST_STATUS', 'DISK_STATUS', 'STORAGE_DOMAIN_STATUS']) AS kind,
     generate_series(0, 15) AS key
ORDER BY kind, key;

INSERT INTO calendar
SELECT t, t::date, extract(year FROM t), extract(month FROM t), to_char(t, 'Month'),
       extract(day FROM t), to_char(t, 'Day'), t::time
FROM (SELECT timestamp '2010-01-01' + make_interval(hours => i) AS t
      FROM generate_series(0, :calendar - 1) AS i) AS hours;

INSERT INTO host_configuration
    (host_id, host_unique_id, host_name, cluster_id, host_type, fqdn, memory_size_mb, cpu_model,
     number_of_cores, create_date)
SELECT pg_temp.entity('host', h), pg_temp.entity('board', h), 'host' || h, pg_temp.entity('cluster', h % 4),
       2, 'host' || h || '.example.net', 524288, 'Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz', 40,
       pg_temp.at(-500000)
FROM generate_series(0, :hosts - 1) AS h;

INSERT INTO vm_configuration
    (vm_id, vm_name, vm_type, cluster_id, memory_size_mb, cpu_per_socket, high_availability, create_date)
SELECT pg_temp.entity('vm', v), 'vm-' || lpad(v::text, 5, '0'), 1, pg_temp.entity('cluster', v % 4),
       2048 * (1 + v % 8), 1 + v % 4, v % 5 = 0, pg_temp.at(-400000 + v)
FROM generate_series(0, :vms - 1) AS v;

INSERT INTO vm_samples_history
    (history_datetime, vm_id, vm_status, cpu_usage_percent, memory_usage_percent,
     user_cpu_usage_percent, system_cpu_usage_percent, vm_ip, vm_client_ip, currently_running_on_host,
     current_user_id, current_user_name, user_logged_in_to_guest, vm_configuration_version,
     current_host_configuration_version, memory_buffered_kb, memory_cached_kb)
SELECT pg_temp.at(i / :vms), pg_temp.entity('vm', v), CASE WHEN v % 23 = 0 THEN 0 ELSE 1 END,
       cpu, 30 + v % 40 + (random() * 3)::int, cpu * 2 / 3, cpu / 3,
       '10.' || v / 250 % 250 || '.' || v % 250 || '.12 fe80::5054:ff:fe' || to_hex(4096 + v % 60000), NULL,
       pg_temp.entity('host', v % :hosts),
       CASE WHEN v % 9 = 0 THEN pg_temp.entity('user', v % 7) END,
       CASE WHEN v % 9 = 0 THEN 'user' || v % 7 || '@example.net-authz' END,
       v % 9 = 0, :hosts + 1 + v, 1 + v % :hosts,
       20000 + (random() * 4000)::bigint, 400000 + (random() * 90000)::bigint
FROM (SELECT i, i % :vms AS v, (random() * random() * 100)::int AS cpu
      FROM generate_series(0, :vm_samples - 1::bigint) AS i) AS sample;

INSERT INTO vm_interface_samples_history
    (history_datetime, vm_interface_id, receive_rate_percent, transmit_rate_percent,
     received_total_byte, transmitted_total_byte, vm_interface_configuration_version)
SELECT pg_temp.at(i / :vms), pg_temp.entity('vnic', v), (random() * random() * 20)::int, (random() * 5)::int,
       (i / :vms * 400000 + v * 7654321 + (random() * 300000)::int)::numeric,
       (i / :vms * 150000 + v * 1234567 + (random() * 100000)::int)::numeric, 1 + v
FROM (SELECT i, i % :vms AS v FROM generate_series(0, :nic_samples - 1::bigint) AS i) AS sample;

INSERT INTO vm_interface_hourly_history
    (history_datetime, vm_interface_id, receive_rate_percent, max_receive_rate_percent,
     transmit_rate_percent, max_transmit_rate_percent, received_total_byte, transmitted_total_byte,
     vm_interface_configuration_version)
SELECT pg_temp.at(i / :vms * 60), pg_temp.entity('vnic', v), (random() * 5)::numeric(24, 4), (random() * 40)::numeric(24, 4),
       (random() * 3)::numeric(24, 4), (random() * 25)::numeric(24, 4),
       (i / :vms * 24000000 + v * 7654321 + (random() * 300000)::int)::numeric,
       (i / :vms * 9000000 + v * 1234567 + (random() * 100000)::int)::numeric, 1 + v
FROM (SELECT i, i % :vms AS v FROM generate_series(0, :nic_hourly - 1::bigint) AS i) AS sample;

INSERT INTO host_interface_samples_history
    (history_datetime, host_interface_id, receive_rate_percent, transmit_rate_percent,
     received_total_byte, transmitted_total_byte, host_interface_configuration_version)
SELECT pg_temp.at(i / (2 * :hosts)), pg_temp.entity('nic', h), (random() * 60)::int, (random() * 30)::int,
       (i * 90000000 + (random() * 9000000)::int)::numeric, NULL, 1 + h
FROM (SELECT i, i % (2 * :hosts) AS h FROM generate_series(0, :host_nic_samples - 1::bigint) AS i) AS sample;

INSERT INTO host_samples_history
    (history_datetime, host_id, host_status, memory_usage_percent, ksm_cpu_percent, cpu_usage_percent,
     active_vms, total_vms, total_vms_vcpus, cpu_load, swap_used_mb, host_configuration_version)
SELECT pg_temp.at(i / :hosts), pg_temp.entity('host', h), 1, 50 + (random() * 10)::int, 0, (random() * 80)::int,
       18 + (random() * 2)::int, 20, 80, (random() * 400)::int, 0, 1 + h
FROM (SELECT i, i % :hosts AS h FROM generate_series(0, :host_samples - 1::bigint) AS i) AS sample;

INSERT INTO storage_domain_samples_history
    (history_datetime, storage_domain_id, available_disk_size_gb, used_disk_size_gb,
     storage_domain_status, minutes_in_status, storage_configuration_version)
SELECT pg_temp.at(i / 8), pg_temp.entity('storage', s), 20000 - i / 8000, 12000 + i / 8000, 1, 1, 1 + s
FROM (SELECT i, i % 8 AS s FROM generate_series(0, :storage_samples - 1::bigint) AS i) AS sample;
