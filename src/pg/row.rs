//! Rows of text, as the simple query protocol sends them.

use std::any::type_name;
use std::ops::Range;
use std::str::FromStr;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::DataRowBody;

use super::error::PgError;

/// One row: each column is text or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    text: String,
    columns: Vec<Option<Range<usize>>>,
}

impl Row {
    pub(super) fn decode(body: &DataRowBody) -> Result<Self, PgError> {
        let mut text = String::with_capacity(body.buffer().len());
        let mut columns = Vec::new();
        let mut ranges = body.ranges().enumerate();
        let bad = |column, wanted| PgError::Value { column, wanted };
        while let Some((index, range)) = ranges
            .next()
            .map_err(|_| bad(columns.len(), "column of a row"))?
        {
            let column = match range {
                None => None,
                Some(range) => {
                    let value = std::str::from_utf8(&body.buffer()[range]);
                    let start = text.len();
                    text.push_str(value.map_err(|_| bad(index, "UTF-8 text"))?);
                    Some(start..text.len())
                }
            };
            columns.push(column);
        }
        Ok(Self { text, columns })
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Column `i`, from 0; `None` if it is null or does not exist.
    pub fn get(&self, i: usize) -> Option<&str> {
        let range = self.columns.get(i)?.clone()?;
        self.text.get(range)
    }

    /// Column `i`, which must not be null.
    pub fn text(&self, i: usize) -> Result<&str, PgError> {
        self.get(i).ok_or(if i < self.len() {
            PgError::Null { column: i }
        } else {
            PgError::NoColumn { column: i }
        })
    }

    /// Column `i`, which must not be null, as a `T`.
    pub fn parse<T: FromStr>(&self, i: usize) -> Result<T, PgError> {
        let parsed = self.text(i)?.parse();
        parsed.map_err(|_| PgError::Value {
            column: i,
            wanted: type_name::<T>(),
        })
    }

    /// Column `i` as PostgreSQL prints booleans.
    pub fn bool(&self, i: usize) -> Result<bool, PgError> {
        match self.text(i)? {
            "t" => Ok(true),
            "f" => Ok(false),
            _ => Err(PgError::Value {
                column: i,
                wanted: "bool",
            }),
        }
    }
}
