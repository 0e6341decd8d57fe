-- Keys into the look-ups and an index or two for each table that holds rows, children included.
DO $$
DECLARE
    stats record;
BEGIN
    FOR stats IN
        SELECT c.oid::regclass AS name, c.relname, n.nspname
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname LIKE 'rt\_log\_%' AND c.relkind = 'r'
        ORDER BY n.nspname, c.relname
    LOOP
        EXECUTE format('CREATE INDEX ON %s (stat_time)', stats.name);
        IF stats.relname LIKE 'domain_stats%' OR stats.relname LIKE 'bounces%' THEN
            EXECUTE format('ALTER TABLE %s ADD FOREIGN KEY (domain_id) REFERENCES rt_log.domains', stats.name);
        END IF;
        IF stats.relname LIKE 'domain_stats%' THEN
            EXECUTE format('CREATE INDEX ON %s (domain_id, stat_time)', stats.name);
        ELSIF stats.relname LIKE 'binding_stats%' THEN
            EXECUTE format('ALTER TABLE %s ADD FOREIGN KEY (binding_id) REFERENCES rt_log.bindings', stats.name);
        ELSIF stats.relname LIKE 'bounces%' THEN
            EXECUTE format('ALTER TABLE %s ADD FOREIGN KEY (reason_id) REFERENCES rt_log.bounce_reasons', stats.name);
            EXECUTE format('CREATE INDEX ON %s (reason_id) WHERE occurrences > 100', stats.name);
        END IF;
    END LOOP;
END;
$$;

CREATE VIEW rt_log.domain_summary AS
SELECT d.name, sum(s.deliveries) AS deliveries, sum(s.permanent_failures) AS permanent_failures
FROM rt_log_1d.domain_stats AS s JOIN rt_log.domains AS d USING (domain_id)
GROUP BY d.name;

CREATE FUNCTION webconsole.lower_login() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.login := lower(NEW.login);
    RETURN NEW;
END;
$$;
CREATE TRIGGER users_lower_login BEFORE INSERT OR UPDATE ON webconsole.users
    FOR EACH ROW EXECUTE FUNCTION webconsole.lower_login();
COMMENT ON SCHEMA webconsole IS 'Users of the web console';
