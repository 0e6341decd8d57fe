-- What stands over the rows: keys, indexes, the nightly delete with its holes, functions and views.
SELECT setseed(0.71) \g /dev/null

ALTER TABLE vm_samples_history ADD PRIMARY KEY (history_id);
ALTER TABLE vm_disk_samples_history ADD PRIMARY KEY (history_id);
ALTER TABLE vm_disk_hourly_history ADD PRIMARY KEY (history_id);
ALTER TABLE vm_interface_samples_history ADD PRIMARY KEY (history_id);
ALTER TABLE vm_interface_hourly_history ADD PRIMARY KEY (history_id);
ALTER TABLE host_interface_samples_history ADD PRIMARY KEY (history_id);
ALTER TABLE vm_disks_usage_samples_history ADD PRIMARY KEY (history_id);
ALTER TABLE host_samples_history ADD PRIMARY KEY (history_id);
ALTER TABLE storage_domain_samples_history ADD PRIMARY KEY (history_id);

CREATE INDEX idx_vm_history_datetime_samples ON vm_samples_history (history_datetime);
CREATE INDEX idx_vm_configuration_version_samples ON vm_samples_history (vm_configuration_version);
CREATE INDEX idx_vm_current_host_configuration_samples
    ON vm_samples_history (current_host_configuration_version);
CREATE INDEX idx_vm_disk_history_datetime_samples ON vm_disk_samples_history (history_datetime);
CREATE INDEX idx_vm_disk_id_samples ON vm_disk_samples_history (vm_disk_id);
CREATE INDEX idx_vm_disk_history_datetime_hourly ON vm_disk_hourly_history (history_datetime);
CREATE INDEX idx_vm_disk_id_hourly ON vm_disk_hourly_history (vm_disk_id);
CREATE INDEX idx_vm_disk_configuration_version_hourly ON vm_disk_hourly_history (vm_disk_configuration_version);
CREATE INDEX idx_vm_interface_history_datetime_samples ON vm_interface_samples_history (history_datetime);
CREATE INDEX idx_vm_interface_history_datetime_hourly ON vm_interface_hourly_history (history_datetime);
CREATE INDEX idx_vm_interface_id_hourly ON vm_interface_hourly_history (vm_interface_id);
CREATE INDEX idx_host_interface_history_datetime_samples ON host_interface_samples_history (history_datetime);
CREATE INDEX idx_disks_usage_history_datetime_samples ON vm_disks_usage_samples_history (history_datetime);
CREATE INDEX idx_disks_usage_vm_id_samples ON vm_disks_usage_samples_history (vm_id);
CREATE INDEX idx_host_history_datetime_samples ON host_samples_history (history_datetime);
CREATE INDEX idx_storage_history_datetime_samples ON storage_domain_samples_history (history_datetime);
CREATE INDEX idx_vm_configuration_vm_id ON vm_configuration (vm_id);
CREATE INDEX idx_host_configuration_host_id ON host_configuration (host_id);

CREATE TYPE authzentryinfo_type AS (name text, namespace varchar(2048));

CREATE FUNCTION fn_enum(kind varchar, key smallint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT value FROM enum_translator WHERE enum_type = kind AND enum_key = key AND language_code = 'us-en'
$$;

CREATE FUNCTION fn_authz_entry(login text) RETURNS authzentryinfo_type
LANGUAGE sql IMMUTABLE AS $$
    SELECT (split_part(login, '@', 1), split_part(login, '@', 2))::authzentryinfo_type
$$;

CREATE FUNCTION fn_round_percent(value numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN least(100, greatest(0, round(value, 2)));
END;
$$;

-- The job of 03:00: old rows go in batches of 1,000, and the space is left to later rows.
CREATE FUNCTION fn_delete_old_samples(history regclass, older_than timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    batch bigint;
    total bigint := 0;
BEGIN
    LOOP
        EXECUTE format(
            'DELETE FROM %s WHERE history_id IN '
            '(SELECT history_id FROM %s WHERE history_datetime < $1 ORDER BY history_id LIMIT 1000)',
            history, history) USING older_than;
        GET DIAGNOSTICS batch = ROW_COUNT;
        total := total + batch;
        EXIT WHEN batch = 0;
    END LOOP;
    RETURN total;
END;
$$;

-- A twentieth of each family is a day too old; half of what it leaves is filled again, ids counting on.
SELECT fn_delete_old_samples('vm_samples_history', pg_temp.at(:vm_samples / :vms / 20)) \g /dev/null
SELECT fn_delete_old_samples('vm_disk_samples_history', pg_temp.at(:disk_samples / :disks / 20)) \g /dev/null
SELECT fn_delete_old_samples('vm_interface_samples_history', pg_temp.at(:nic_samples / :vms / 20)) \g /dev/null
SELECT fn_delete_old_samples('host_samples_history', pg_temp.at(:host_samples / :hosts / 20)) \g /dev/null
VACUUM vm_samples_history, vm_disk_samples_history, vm_interface_samples_history, host_samples_history;

INSERT INTO vm_interface_samples_history
    (history_datetime, vm_interface_id, receive_rate_percent, transmit_rate_percent,
     received_total_byte, transmitted_total_byte, vm_interface_configuration_version)
SELECT pg_temp.at((:nic_samples + i) / :vms), pg_temp.entity('vnic', i % :vms), (random() * 20)::int, NULL,
       (i * 400000)::numeric, NULL, 1 + i % :vms
FROM generate_series(0, :nic_samples / 40 - 1::bigint) AS i;

INSERT INTO vm_disk_samples_history
    (history_datetime, vm_disk_id, image_id, vm_disk_status, vm_disk_actual_size_mb,
     read_rate_bytes_per_second, read_latency_seconds, write_rate_bytes_per_second,
     write_latency_seconds, flush_latency_seconds, vm_disk_configuration_version,
     read_ops_total_count, write_ops_total_count)
SELECT pg_temp.at((:disk_samples + i) / :disks), pg_temp.entity('disk', i % :disks), pg_temp.entity('image', i % :disks),
       1, 20480, 0, NULL, (random() * 9e6)::bigint, (random() * 0.004)::numeric(18, 9), NULL, 1 + i % :disks,
       (i * 977)::numeric, (i * 1811)::numeric
FROM generate_series(0, :disk_samples / 40 - 1::bigint) AS i;

CREATE VIEW v4_5_statistics_vms_disks_resources_usage_hourly AS
SELECT d.history_id, d.history_datetime, d.vm_disk_id, d.vm_disk_status,
       fn_enum('DISK_STATUS', d.vm_disk_status) AS status, d.read_latency_seconds, d.write_latency_seconds,
       d.read_rate_bytes_per_second + d.write_rate_bytes_per_second AS total_rate
FROM vm_disk_hourly_history AS d;

CREATE VIEW v4_5_statistics_vms_resources_usage_samples AS
SELECT s.history_datetime, c.vm_name, h.host_name, s.cpu_usage_percent, s.memory_usage_percent,
       fn_authz_entry(s.current_user_name) AS user_entry
FROM vm_samples_history AS s
JOIN vm_configuration AS c ON c.history_id = s.vm_configuration_version
LEFT JOIN host_configuration AS h ON h.history_id = s.current_host_configuration_version;

CREATE VIEW v4_5_latest_vm_usage AS
SELECT vm_name, max(history_datetime) AS latest, fn_round_percent(avg(cpu_usage_percent)) AS cpu
FROM v4_5_statistics_vms_resources_usage_samples
GROUP BY vm_name;

CREATE VIEW v4_5_configuration_history_hosts AS
SELECT host_id, host_name, fqdn, cpu_model, create_date, delete_date FROM host_configuration;

CREATE MATERIALIZED VIEW vm_daily_summary AS
SELECT vm_id, date_trunc('day', history_datetime, 'UTC') AS day, count(*) AS samples,
       avg(cpu_usage_percent)::numeric(8, 3) AS cpu
FROM vm_samples_history
GROUP BY 1, 2;
CREATE UNIQUE INDEX vm_daily_summary_key ON vm_daily_summary (vm_id, day);

COMMENT ON TABLE vm_disk_samples_history IS 'One row per disk and minute, kept for 24 hours';
COMMENT ON COLUMN vm_disk_samples_history.read_latency_seconds IS 'Mean over the minute; it''s NULL when idle';
COMMENT ON VIEW v4_5_latest_vm_usage IS E'Of each VM\nthe latest sample';
COMMENT ON FUNCTION fn_enum(varchar, smallint) IS 'The word for a number';
