-- Rows inserted, updated and deleted since the server's statistics began, by table; large objects among them.
SELECT schemaname, relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables
UNION ALL
SELECT schemaname, relname, n_tup_ins + n_tup_upd + n_tup_del
FROM pg_stat_sys_tables
WHERE schemaname = 'pg_catalog' AND relname IN ('pg_largeobject', 'pg_largeobject_metadata')
