//! The queries by which parts of tables are read.

use crate::chunk::{Part, Range};
use crate::schema::{QualifiedName, Table, quote_ident_always, sql_name};

/// The COPY of a part.
pub(super) fn copy_sql(table: &Table, part: &Part) -> String {
    let format = table.format.as_sql();
    let is_all = table.condition_clause().is_empty() && table.filter.is_none();
    match &part.range {
        // COPY of a table reads that table only, not what inherits from it.
        Range::Whole if is_all => format!(
            "COPY {}{} TO STDOUT (FORMAT {format})",
            table.sql_name(),
            table.column_list()
        ),
        range => format!(
            "COPY ({}) TO STDOUT (FORMAT {format})",
            rows_sql(table, range)
        ),
    }
}

/// Selects the rows of a range that are moved.
pub fn rows_sql(table: &Table, range: &Range) -> String {
    match &table.filter {
        None => range_sql(table, range, &|prefix| columns(table, prefix)),
        Some(filter) => {
            let mut rows = range_sql(table, range, &|prefix| format!("{prefix}*"));
            if *range != Range::Whole {
                rows += FENCE;
            }
            format!(
                "SELECT {} FROM {}",
                columns(table, ""),
                filtered(&rows, &table.name, filter)
            )
        }
    }
}

/// Keeps a predicate from where the rows of a range are found: an index that it leads to would be read
/// for each range anew.
const FENCE: &str = " OFFSET 0";

/// As the rows of a filtered table are selected, but without any.
pub fn filtered_none(table: &QualifiedName, filter: &str) -> String {
    let rows = format!("SELECT * FROM ONLY {}{FENCE}", sql_name(table));
    format!("SELECT FROM {} LIMIT 0", filtered(&rows, table, filter))
}

/// Those of some rows for which a predicate is true, under the table's name.
fn filtered(rows: &str, table: &QualifiedName, filter: &str) -> String {
    let name = quote_ident_always(&table.name);
    format!("({rows}) AS {name} WHERE {filter}")
}

fn range_sql(table: &Table, range: &Range, columns: &dyn Fn(&str) -> String) -> String {
    match range {
        Range::Tids { from, to } => tids_sql(table, *from, *to, columns),
        range => format!(
            "SELECT {} FROM ONLY {}{}",
            columns(""),
            table.sql_name(),
            // Tables with a condition are never cut.
            range.where_clause() + &table.condition_clause()
        ),
    }
}

/// Selects the rows of pages by each address that they can have: a server before 14 finds rows by
/// addresses, but none by a range of them. Page by page, so that it holds the addresses of one.
///
/// A page holds at most MaxHeapTuplesPerPage rows (access/htup_details.h): 24 bytes are its header,
/// 28 each row's pointer and header. The last range ends where the table ends now: it has grown
/// since the snapshot, or lost pages that no snapshot has rows on.
fn tids_sql(table: &Table, from: u32, to: Option<u32>, columns: &dyn Fn(&str) -> String) -> String {
    let last = match to {
        Some(to) => format!("{to} - 1"),
        None => {
            let oid = table.oid;
            format!("pg_relation_size({oid}) / current_setting('block_size')::int8 - 1")
        }
    };
    format!(
        "SELECT {} FROM \
         (SELECT '{{' || string_agg('\"(p,' || n || ')\"', ',') || '}}' AS tids \
          FROM generate_series(1, (current_setting('block_size')::int4 - 24) / 28) AS n) AS lines, \
         generate_series({from}::int8, {last}) AS pages (page), \
         LATERAL (SELECT {} FROM ONLY {} AS t \
                  WHERE t.ctid = ANY (replace(lines.tids, 'p', pages.page::text)::tid[]) OFFSET 0) AS r",
        columns("r."),
        columns("t."),
        table.sql_name(),
    )
}

fn columns(table: &Table, prefix: &str) -> String {
    let names = table.columns.iter();
    let names: Vec<_> = names
        .map(|name| format!("{prefix}{}", quote_ident_always(name)))
        .collect();
    names.join(", ")
}
