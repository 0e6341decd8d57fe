-- Neighbours by OID go together up to a number and a size; one that is larger than a chunk goes alone.
WITH object AS (
    :sizes
), placed AS (
    SELECT oid,
           bytes,
           (row_number() OVER w - 1) / :per_chunk AS by_number,
           (sum(bytes) OVER w - bytes)::bigint / :chunk_bytes AS by_size,
           bytes >= :chunk_bytes AS alone
    FROM object
    WINDOW w AS (ORDER BY oid ROWS UNBOUNDED PRECEDING)
)
SELECT min(oid), sum(bytes)
FROM placed
GROUP BY by_number, by_size, alone
ORDER BY 1
