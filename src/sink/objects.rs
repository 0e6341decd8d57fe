//! Large objects on the target: made from a chunk's rows within its transaction, and removed again.

mod privileges;

use std::collections::BTreeMap;

use privileges::{Deed, Grant, deeds};

use crate::chunk::ChunkId;
use crate::pg::{Client, PgError};
use crate::schema::database::Label;
use crate::schema::roles::RoleMap;
use crate::schema::{Oid, Table, objects_named, quote_ident_always, quote_literal};
use crate::sink::journal::{Journal, StepError};
use crate::wire::message::Omit;

const STAGING: &str = include_str!("objects/staging.sql");
const STORE: &str = include_str!("objects/store.sql");
const DESCRIBED: &str = include_str!("objects/described.sql");
const REPLACE: &str = include_str!("objects/replace.sql");
const UNLINK: &str = include_str!("objects/unlink.sql");
/// Objects that are described at a time.
const PAGE: usize = 500;

/// Makes the table that rows of large objects are copied into first, for this session alone.
pub(super) fn prepare(client: &mut Client) -> Result<(), PgError> {
    client.execute(STAGING).map(drop)
}

/// The COPY into it.
pub(super) fn copy_sql(table: &Table) -> String {
    format!(
        "COPY pg_temp.pgpipe_objects{} FROM STDIN (FORMAT binary)",
        table.column_list()
    )
}

/// What is done with the rows of one chunk, in its transaction.
pub(super) struct Storing<'a> {
    pub(super) client: &'a mut Client,
    pub(super) journal: &'a Journal,
    pub(super) chunk: ChunkId,
    pub(super) omit: Omit,
    pub(super) roles: &'a RoleMap,
    /// Whether others with the same OIDs go first.
    pub(super) replaces: bool,
}

/// An object as the source described it.
struct Described {
    oid: Oid,
    owner: String,
    acl: Option<String>,
    comment: Option<String>,
    labels: Option<String>,
}

impl Storing<'_> {
    /// Makes the objects, notes them in the journal, and gives them owners, privileges, comments
    /// and labels. What the server refuses of those is recorded, and the object stays.
    pub(super) fn run(mut self) -> Result<(), PgError> {
        let store = STORE
            .replace(":schema", &quote_ident_always(self.journal.schema()))
            .replace(":id", &quote_literal(&self.journal.migration().to_string()))
            .replace(":chunk", &self.chunk.to_string());
        if self.replaces {
            self.client.execute(REPLACE)?;
        }
        self.client.execute(&store)?;
        let us = self.client.query("SELECT current_user")?[0]
            .text(0)?
            .to_owned();
        let mut refused = Vec::new();
        let mut last = None;
        loop {
            let page = self.described(last)?;
            let Some(end) = page.last() else { break };
            last = Some(end.oid);
            self.describe(&us, &page, &mut refused)?;
        }
        self.record(&refused)
    }

    fn described(&mut self, after: Option<Oid>) -> Result<Vec<Described>, PgError> {
        let sql = DESCRIBED
            .replace(
                ":after",
                &after.map_or(-1, |oid| i64::from(oid.0)).to_string(),
            )
            .replace(":page", &PAGE.to_string())
            .replace(":mapped", &(!self.roles.is_empty()).to_string());
        let rows = self.client.query(&sql)?;
        let described = rows.iter().map(|row| {
            Ok(Described {
                oid: Oid(row.parse(0)?),
                owner: self.roles.name(row.text(1)?).to_owned(),
                acl: row.get(2).map(str::to_owned),
                comment: row.get(3).map(str::to_owned),
                labels: row.get(4).map(str::to_owned),
            })
        });
        described.collect()
    }

    /// Comments and labels first, while the objects are ours; those with the same owner and
    /// privileges together.
    fn describe(
        &mut self,
        us: &str,
        page: &[Described],
        refused: &mut Vec<StepError>,
    ) -> Result<(), PgError> {
        for object in page {
            for deed in words(object) {
                self.attempt(deed, refused)?;
            }
        }
        let mut alike: BTreeMap<(&str, Option<&str>), Vec<Oid>> = BTreeMap::new();
        for object in page {
            let key = (object.owner.as_str(), object.acl.as_deref());
            alike.entry(key).or_default().push(object.oid);
        }
        for ((owner, acl), oids) in alike {
            let owner_now = match !self.omit.owner && owner != us {
                true if self.attempt(give(&oids, owner), refused)? => owner,
                _ => us,
            };
            let acl = acl.filter(|_| !self.omit.privileges);
            let grants: Option<Vec<Grant>> = acl.and_then(|acl| serde_json::from_str(acl).ok());
            let renamed = |grants: Vec<Grant>| -> Vec<Grant> {
                let grants = grants.into_iter();
                grants.map(|grant| grant.renamed(self.roles)).collect()
            };
            let grants = grants.map(renamed);
            for deed in grants
                .iter()
                .flat_map(|g| deeds(&oids, owner, owner_now, g))
            {
                self.attempt(deed, refused)?;
            }
        }
        Ok(())
    }

    /// Whether it was done; a refusal undoes no more than this.
    fn attempt(&mut self, deed: Deed, refused: &mut Vec<StepError>) -> Result<bool, PgError> {
        let Deed { object, statement } = deed;
        let sql = format!("SAVEPOINT pgpipe_deed; {statement}; RELEASE SAVEPOINT pgpipe_deed");
        let Err(error) = self.client.execute(&sql) else {
            return Ok(true);
        };
        if error.is_passing() || error.sqlstate().is_none() {
            return Err(error);
        }
        self.client
            .execute("ROLLBACK TO SAVEPOINT pgpipe_deed; RELEASE SAVEPOINT pgpipe_deed")?;
        refused.push(StepError {
            object,
            statement,
            message: error.to_string(),
            sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
        });
        Ok(false)
    }

    fn record(&mut self, refused: &[StepError]) -> Result<(), PgError> {
        for (number, error) in refused.iter().enumerate() {
            let step = format!("objects {} {number}", self.chunk);
            let sql = self.journal.failed_step_sql(&step, error);
            self.client.execute(&sql)?;
        }
        Ok(())
    }
}

fn words(object: &Described) -> Vec<Deed> {
    let named = |statement| Deed {
        object: objects_named(&[object.oid]),
        statement,
    };
    let oid = object.oid;
    let comment = object.comment.iter().map(|text| {
        let text = quote_literal(text);
        named(format!("COMMENT ON LARGE OBJECT {oid} IS {text}"))
    });
    let labels: Option<Vec<Label>> = object
        .labels
        .as_ref()
        .and_then(|l| serde_json::from_str(l).ok());
    let labels = labels.into_iter().flatten();
    let labels = labels.map(|label| named(label.statement(&format!("LARGE OBJECT {oid}"))));
    comment.chain(labels).collect()
}

fn give(oids: &[Oid], owner: &str) -> Deed {
    let owner = quote_ident_always(owner);
    let each = oids
        .iter()
        .map(|oid| format!("ALTER LARGE OBJECT {oid} OWNER TO {owner}"));
    Deed {
        object: objects_named(oids),
        statement: each.collect::<Vec<_>>().join("; "),
    }
}

/// Which of the journal's large objects are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// All that the migration made.
    All,
    /// Those whose chunk the journal no longer has: it comes again.
    BegunAgain,
}

/// Removes large objects that the migration made, some hundred in a transaction, as the server locks
/// each; how many.
pub fn unlink(client: &mut Client, journal: &Journal, whose: Whose) -> Result<u64, PgError> {
    let schema = quote_ident_always(journal.schema());
    let condition = match whose {
        Whose::All => "true".to_owned(),
        Whose::BegunAgain => {
            format!(
                "NOT EXISTS (SELECT FROM {schema}.chunk c WHERE c.migration = l.migration AND c.chunk = l.chunk)"
            )
        }
    };
    let sql = UNLINK
        .replace(":whose", &condition)
        .replace(":schema", &schema);
    let mut removed = 0;
    loop {
        let rows = client.query(&sql)?;
        let Some(row) = rows.first() else {
            let emptied = format!("DELETE FROM {schema}.large_object WHERE cardinality(oids) = 0");
            client.execute(&emptied)?;
            return Ok(removed);
        };
        removed += row.parse::<u64>(0)?;
    }
}
