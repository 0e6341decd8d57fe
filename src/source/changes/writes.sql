-- Rows inserted, updated and deleted since the server's statistics began, by table.
SELECT schemaname, relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables
