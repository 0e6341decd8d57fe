SELECT loid, owner, acl, comment, labels
FROM pg_temp.pgpipe_objects
WHERE at < 0
  AND loid::bigint > :after
  AND (:mapped OR owner <> current_user OR acl IS NOT NULL OR comment IS NOT NULL OR labels IS NOT NULL)
ORDER BY loid
LIMIT :page
