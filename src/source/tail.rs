//! What is read last: sequence values, which are not transactional.

use crate::pg::{Client, PgError};
use crate::schema::{Oid, QualifiedName, SequenceValue, quote_ident_always, quote_literal};
use crate::source::choice::Choice;

const SEQUENCES: &str = include_str!("catalog/sequences.sql");
/// Sequences per statement: each is a relation to open.
const BATCH: usize = 200;

/// Reads every chosen sequence's value.
pub fn sequences(client: &mut Client, choice: &Choice) -> Result<Vec<SequenceValue>, PgError> {
    let mut names = Vec::new();
    for row in client.query(SEQUENCES)? {
        if choice.has(Oid(row.parse(2)?)) {
            names.push(QualifiedName::new(row.text(0)?, row.text(1)?));
        }
    }
    let mut values = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        values.extend(read_values(client, batch)?);
    }
    Ok(values)
}

fn read_values(
    client: &mut Client,
    names: &[QualifiedName],
) -> Result<Vec<SequenceValue>, PgError> {
    let selects: Vec<_> = names
        .iter()
        .map(|name| {
            format!(
                "SELECT {}, {}, last_value, is_called FROM {}.{}",
                quote_literal(&name.schema),
                quote_literal(&name.name),
                quote_ident_always(&name.schema),
                quote_ident_always(&name.name)
            )
        })
        .collect();
    client
        .query(&selects.join(" UNION ALL "))?
        .iter()
        .map(|row| {
            Ok(SequenceValue {
                name: QualifiedName::new(row.text(0)?, row.text(1)?),
                last_value: row.parse(2)?,
                is_called: row.bool(3)?,
            })
        })
        .collect()
}
