SELECT g.at, lo_get(m.oid, g.at, 65536) AS data
FROM (SELECT lo_open(m.oid, 262144) AS fd OFFSET 0) o
CROSS JOIN LATERAL (SELECT lo_lseek64(o.fd, 0, 2) AS bytes OFFSET 0) s
CROSS JOIN LATERAL (SELECT CASE WHEN s.bytes >= 0 THEN lo_close(o.fd) END AS closed OFFSET 0) c
CROSS JOIN LATERAL generate_series(c.closed, s.bytes - 1, 65536) g (at)
