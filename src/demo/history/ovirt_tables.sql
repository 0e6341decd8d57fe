-- The shape of oVirt's ovirt_engine_history: no foreign keys, ids from sequences, one primary key each.
CREATE SEQUENCE calendar_seq;
CREATE SEQUENCE configuration_seq1;
CREATE SEQUENCE vm_history_seq1;
CREATE SEQUENCE vm_disk_history_seq1;
CREATE SEQUENCE vm_disk_history_seq2;
CREATE SEQUENCE vm_interface_history_seq1;
CREATE SEQUENCE vm_interface_history_seq2;
CREATE SEQUENCE vm_disks_usage_history_seq1;
CREATE SEQUENCE host_history_seq1;
CREATE SEQUENCE host_interface_history_seq1;
CREATE SEQUENCE storage_domain_history_seq1;

CREATE TABLE enum_translator (
    enum_type varchar(40) NOT NULL,
    enum_key smallint NOT NULL,
    language_code varchar(40) NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (enum_type, enum_key, language_code)
);

CREATE TABLE calendar (
    the_datetime timestamp NOT NULL PRIMARY KEY,
    the_date date NOT NULL,
    the_year smallint NOT NULL,
    the_month smallint NOT NULL,
    month_name varchar(40) NOT NULL,
    the_day smallint NOT NULL,
    day_name varchar(40) NOT NULL,
    the_hour time NOT NULL
);

CREATE TABLE host_configuration (
    history_id integer NOT NULL DEFAULT nextval('configuration_seq1') PRIMARY KEY,
    host_id uuid NOT NULL,
    host_unique_id varchar(128),
    host_name varchar(255) NOT NULL,
    cluster_id uuid NOT NULL,
    host_type smallint NOT NULL,
    fqdn varchar(255) NOT NULL,
    memory_size_mb integer,
    cpu_model varchar(255),
    number_of_cores smallint,
    vm_slots integer,
    create_date timestamptz NOT NULL,
    update_date timestamptz,
    delete_date timestamptz
);

CREATE TABLE vm_configuration (
    history_id integer NOT NULL DEFAULT nextval('configuration_seq1') PRIMARY KEY,
    vm_id uuid NOT NULL,
    vm_name varchar(255) NOT NULL,
    vm_description varchar(4000),
    vm_type smallint NOT NULL,
    cluster_id uuid NOT NULL,
    template_name varchar(255),
    memory_size_mb integer,
    cpu_per_socket smallint,
    high_availability boolean NOT NULL DEFAULT false,
    create_date timestamptz NOT NULL,
    delete_date timestamptz
);

CREATE TABLE vm_samples_history (
    history_id bigint NOT NULL DEFAULT nextval('vm_history_seq1'),
    history_datetime timestamptz NOT NULL,
    vm_id uuid NOT NULL,
    vm_status smallint NOT NULL,
    minutes_in_status numeric(7, 2) NOT NULL DEFAULT 1,
    cpu_usage_percent smallint,
    memory_usage_percent smallint,
    disks_usage text,
    user_cpu_usage_percent smallint,
    system_cpu_usage_percent smallint,
    vm_ip text,
    vm_client_ip varchar(255),
    currently_running_on_host uuid,
    current_user_id uuid,
    current_user_name varchar(255),
    user_logged_in_to_guest boolean,
    vm_configuration_version integer,
    current_host_configuration_version integer,
    memory_buffered_kb bigint,
    memory_cached_kb bigint
);

CREATE TABLE vm_disk_samples_history (
    history_id bigint NOT NULL DEFAULT nextval('vm_disk_history_seq1'),
    history_datetime timestamptz NOT NULL,
    vm_disk_id uuid NOT NULL,
    image_id uuid NOT NULL,
    vm_disk_status smallint,
    minutes_in_status numeric(7, 2) NOT NULL DEFAULT 1,
    vm_disk_actual_size_mb integer NOT NULL,
    read_rate_bytes_per_second bigint,
    read_latency_seconds numeric(18, 9),
    write_rate_bytes_per_second bigint,
    write_latency_seconds numeric(18, 9),
    flush_latency_seconds numeric(18, 9),
    vm_disk_configuration_version integer,
    read_ops_total_count numeric(20, 0),
    write_ops_total_count numeric(20, 0)
);

CREATE TABLE vm_disk_hourly_history (
    history_id bigint NOT NULL DEFAULT nextval('vm_disk_history_seq2'),
    history_datetime timestamptz NOT NULL,
    vm_disk_id uuid NOT NULL,
    image_id uuid NOT NULL,
    vm_disk_status smallint,
    minutes_in_status numeric(7, 2) NOT NULL DEFAULT 60,
    vm_disk_actual_size_mb integer NOT NULL,
    read_rate_bytes_per_second bigint,
    max_read_rate_bytes_per_second bigint,
    read_latency_seconds numeric(18, 9),
    max_read_latency_seconds numeric(18, 9),
    write_rate_bytes_per_second bigint,
    max_write_rate_bytes_per_second bigint,
    write_latency_seconds numeric(18, 9),
    max_write_latency_seconds numeric(18, 9),
    flush_latency_seconds numeric(18, 9),
    vm_disk_configuration_version integer,
    read_ops_total_count numeric(20, 0),
    write_ops_total_count numeric(20, 0)
);

CREATE TABLE vm_interface_samples_history (
    history_id bigint NOT NULL DEFAULT nextval('vm_interface_history_seq1'),
    history_datetime timestamptz NOT NULL,
    vm_interface_id uuid NOT NULL,
    receive_rate_percent smallint,
    transmit_rate_percent smallint,
    received_total_byte numeric(20, 0),
    transmitted_total_byte numeric(20, 0),
    vm_interface_configuration_version integer
);

CREATE TABLE vm_interface_hourly_history (
    history_id bigint NOT NULL DEFAULT nextval('vm_interface_history_seq2'),
    history_datetime timestamptz NOT NULL,
    vm_interface_id uuid NOT NULL,
    receive_rate_percent numeric(24, 4),
    max_receive_rate_percent numeric(24, 4),
    transmit_rate_percent numeric(24, 4),
    max_transmit_rate_percent numeric(24, 4),
    received_total_byte numeric(20, 0),
    transmitted_total_byte numeric(20, 0),
    vm_interface_configuration_version integer
);

CREATE TABLE host_interface_samples_history (
    LIKE vm_interface_samples_history INCLUDING DEFAULTS
);
ALTER TABLE host_interface_samples_history
    ALTER COLUMN history_id SET DEFAULT nextval('host_interface_history_seq1');
ALTER TABLE host_interface_samples_history RENAME COLUMN vm_interface_id TO host_interface_id;
ALTER TABLE host_interface_samples_history
    RENAME COLUMN vm_interface_configuration_version TO host_interface_configuration_version;

CREATE TABLE vm_disks_usage_samples_history (
    history_id bigint NOT NULL DEFAULT nextval('vm_disks_usage_history_seq1'),
    history_datetime timestamptz NOT NULL,
    vm_id uuid NOT NULL,
    disks_usage text
);

CREATE TABLE host_samples_history (
    history_id bigint NOT NULL DEFAULT nextval('host_history_seq1'),
    history_datetime timestamptz NOT NULL,
    host_id uuid NOT NULL,
    host_status smallint NOT NULL,
    minutes_in_status numeric(7, 2) NOT NULL DEFAULT 1,
    memory_usage_percent smallint,
    ksm_cpu_percent smallint,
    cpu_usage_percent smallint,
    active_vms smallint,
    total_vms smallint,
    total_vms_vcpus integer,
    cpu_load integer,
    swap_used_mb integer,
    ksm_shared_memory_mb bigint,
    host_configuration_version integer
);

CREATE TABLE storage_domain_samples_history (
    history_id bigint NOT NULL DEFAULT nextval('storage_domain_history_seq1'),
    history_datetime timestamptz NOT NULL,
    storage_domain_id uuid NOT NULL,
    available_disk_size_gb integer,
    used_disk_size_gb integer,
    storage_domain_status smallint,
    minutes_in_status numeric(7, 2),
    storage_configuration_version integer
);

-- Columns that upgrades dropped: attribute numbers have gaps.
ALTER TABLE vm_samples_history DROP COLUMN disks_usage;
ALTER TABLE host_samples_history DROP COLUMN ksm_shared_memory_mb;
ALTER TABLE vm_disk_samples_history DROP COLUMN minutes_in_status;
ALTER TABLE vm_disk_hourly_history DROP COLUMN minutes_in_status;
ALTER TABLE vm_configuration DROP COLUMN vm_description, DROP COLUMN template_name;
ALTER TABLE host_configuration DROP COLUMN vm_slots;
ALTER TABLE host_samples_history ADD COLUMN hugepages_free integer;
