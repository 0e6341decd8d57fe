-- 262144 is INV_READ, 2 is SEEK_END. Closed at once: the server looks through all that are open.
SELECT m.oid, 64 + s.bytes + c.closed AS bytes
FROM pg_largeobject_metadata m
CROSS JOIN LATERAL (SELECT lo_open(m.oid, 262144) AS fd OFFSET 0) o
CROSS JOIN LATERAL (SELECT lo_lseek64(o.fd, 0, 2) AS bytes OFFSET 0) s
CROSS JOIN LATERAL (SELECT CASE WHEN s.bytes >= 0 THEN lo_close(o.fd) END AS closed OFFSET 0) c
WHERE :readable
