-- What sessions in this database begin with, those of all roles first.
SELECT CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END,
       left(c.entry, strpos(c.entry, '=') - 1), substr(c.entry, strpos(c.entry, '=') + 1)
FROM pg_db_role_setting s
JOIN pg_database d ON d.oid = s.setdatabase
CROSS JOIN unnest(s.setconfig) WITH ORDINALITY AS c (entry, place)
WHERE d.datname = current_database()
ORDER BY s.setrole, c.place
