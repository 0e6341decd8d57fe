//! Large objects: how many and how large they are, and the COPY that reads a range of them.

use crate::chunk::Range;
use crate::pg::{Client, PgError};
use crate::planner::objects::Bucket;
use crate::report::ObjectError;
use crate::schema::{Oid, QualifiedName, objects_named};

const BUCKETS: &str = include_str!("object_buckets.sql");
const SIZES: &str = include_str!("object_sizes.sql");
const SIZES_BY_CALL: &str = include_str!("object_sizes_by_call.sql");
const PAGES: &str = include_str!("object_pages.sql");
const PAGES_BY_CALL: &str = include_str!("object_pages_by_call.sql");
const ROWS: &str = include_str!("object_rows.sql");
const READABLE: &str = include_str!("object_readable.sql");
/// `pg_largeobject`'s own OID, the same on every server.
pub const LARGE_OBJECTS: Oid = Oid(2613);
/// Objects in a chunk at most. The target locks each that is given away, commented or dropped, and
/// its lock table has room for some 7,000 of all sessions together.
const PER_CHUNK: u32 = 500;

/// Whether the session may read the pages themselves; else objects are opened one by one.
pub fn reads_pages(client: &mut Client) -> Result<bool, PgError> {
    let sql = "SELECT has_table_privilege('pg_catalog.pg_largeobject', 'SELECT')";
    client.query(sql)?[0].bool(0)
}

/// Whether there is any, in the snapshot of this transaction.
pub fn exist(client: &mut Client) -> Result<bool, PgError> {
    client.query("SELECT EXISTS (SELECT FROM pg_largeobject_metadata)")?[0].bool(0)
}

/// The objects that the session may read, cut into chunks of about so many bytes.
pub fn buckets(client: &mut Client, chunk_bytes: u64) -> Result<Vec<Bucket>, PgError> {
    let sizes = match reads_pages(client)? {
        true => SIZES,
        false => SIZES_BY_CALL,
    };
    let sql = BUCKETS
        .replace(":sizes", sizes)
        .replace(":readable", &readable(client)?)
        .replace(":per_chunk", &PER_CHUNK.to_string())
        .replace(":chunk_bytes", &chunk_bytes.max(1).to_string());
    client
        .query(&sql)?
        .iter()
        .map(|row| {
            Ok(Bucket {
                first: Oid(row.parse(0)?),
                bytes: row.parse(1)?,
            })
        })
        .collect()
}

/// What the session may not read, for the report.
pub fn unreadable(client: &mut Client) -> Result<Option<ObjectError>, PgError> {
    let sql = format!(
        "SELECT m.oid FROM pg_largeobject_metadata m WHERE NOT ({}) ORDER BY m.oid",
        readable(client)?
    );
    let rows = client.query(&sql)?;
    let oids: Vec<Oid> = rows
        .iter()
        .map(|row| row.parse(0).map(Oid))
        .collect::<Result<_, _>>()?;
    let name = |oids: &[Oid]| ObjectError {
        object: objects_named(oids),
        message:
            "the source's role may not read it: not moved; grant SELECT on it, or use a superuser"
                .to_owned(),
        sqlstate: Some("42501".to_owned()),
        ..ObjectError::default()
    };
    Ok((!oids.is_empty()).then(|| name(&oids)))
}

/// Everything may be read by whoever reads the pages.
fn readable(client: &mut Client) -> Result<String, PgError> {
    Ok(match reads_pages(client)? {
        true => "true".to_owned(),
        false => READABLE.to_owned(),
    })
}

/// What a reader waits at before it reads: VACUUM FULL would hold it up.
pub fn lock_name(reads_pages: bool) -> QualifiedName {
    let name = match reads_pages {
        true => "pg_largeobject",
        false => "pg_largeobject_metadata",
    };
    QualifiedName::new("pg_catalog", name)
}

/// The COPY of a range of objects.
pub fn copy_sql(range: &Range, reads_pages: bool) -> String {
    let (pages, readable) = match reads_pages {
        true => (PAGES, "true"),
        false => (PAGES_BY_CALL, READABLE),
    };
    let range = range.where_clause();
    let range = range.trim_start().trim_start_matches("WHERE ");
    ROWS.replace(":pages", pages)
        .replace(":readable", readable)
        .replace(":range", &range.replace("oid", "m.oid"))
}
