//! The options that select what is moved.

use clap::Args;

use crate::selection::{Content, Pattern, RowFilter, Selection};
use crate::send::Terms;

/// Which part of the source is moved. A later start goes on with the same, given or not.
#[derive(Debug, Clone, Args)]
pub struct SelectionOptions {
    /// Move only schemas that match this pattern, as of pg_dump: * and ? for characters, "" for names with capitals or dots; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::schema)]
    schema: Vec<Pattern>,
    /// Leave schemas out that match this pattern, as of pg_dump; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::schema)]
    exclude_schema: Vec<Pattern>,
    /// Move only tables, views and sequences that match this pattern, as of pg_dump: TABLE or SCHEMA.TABLE; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::table)]
    table: Vec<Pattern>,
    /// Leave tables, views and sequences out that match this pattern, as of pg_dump; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::table)]
    exclude_table: Vec<Pattern>,
    /// Move of tables that match, with partitions, only rows for which the SQL predicate is true: app.events=at >= '2026-01-01'; may be repeated
    #[arg(
        long = "where",
        value_name = "TABLE=PREDICATE",
        conflicts_with = "schema_only"
    )]
    filters: Vec<RowFilter>,
    /// Move objects alone, as pg_dump --schema-only: no rows, sequence values or large objects
    #[arg(long)]
    schema_only: bool,
    /// Move rows, sequence values and large objects alone, as pg_dump --data-only, into tables that the target has
    #[arg(long, conflicts_with_all = ["schema_only", "roles"])]
    data_only: bool,
    /// Write rows of partitions through their roots, so that the target finds each row's partition
    #[arg(long)]
    load_via_partition_root: bool,
}

impl SelectionOptions {
    pub fn selection(&self) -> Selection {
        Selection {
            schemas: self.schema.clone(),
            exclude_schemas: self.exclude_schema.clone(),
            tables: self.table.clone(),
            exclude_tables: self.exclude_table.clone(),
        }
    }

    pub fn terms(&self) -> Terms {
        Terms {
            content: self.content(),
            filters: self.filters.clone(),
            through_roots: self.load_via_partition_root,
            ..Terms::default()
        }
    }

    fn content(&self) -> Content {
        match (self.schema_only, self.data_only) {
            (true, _) => Content::SchemaOnly,
            (_, true) => Content::DataOnly,
            _ => Content::Whole,
        }
    }
}
