-- Pages of 2 KB stay in the row as they are; larger pieces go out of line, not compressed.
CREATE TEMPORARY TABLE IF NOT EXISTS pgpipe_objects (
    loid oid, at bigint, data bytea, owner text, acl text, comment text, labels text
) WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS;
ALTER TABLE pg_temp.pgpipe_objects ALTER COLUMN data SET STORAGE EXTERNAL
