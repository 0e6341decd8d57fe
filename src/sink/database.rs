//! The target database before anything is written: made if asked for, and judged.

use std::collections::HashSet;

use crate::chunk::Plan;
use crate::pg::{Client, ConnInfo, PgError, session};
use crate::runtime::tools;
use crate::schema::{
    Oid, QualifiedName, Table, first_few, objects_named, quote_ident_always, quote_literal,
};
use crate::wire::message::{Locale, SourceInfo};

/// The oldest target: what the session settings and the journal are tested against.
pub const OLDEST: u32 = 120_000;
/// Where a connection can be made before the target database exists.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
/// Names listed in a refusal.
const NAMES: usize = 5;

/// Why the target cannot take the migration. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error("database {database} does not exist on the target; create it, or use --create-db")]
    Missing { database: String, source: PgError },
    #[error(
        "cannot create database {database} like the source's (encoding {encoding}, collation {collate})"
    )]
    Create {
        database: String,
        encoding: String,
        collate: String,
        source: PgError,
    },
    #[error("the target server is version {found}; pgpipe needs {needed} or later")]
    TooOld { found: u32, needed: u32 },
    #[error(
        "the target server (PostgreSQL {}) is older than the source ({}), whose schema it may not take: choose a newer one, or give recv --allow-downgrade",
        tools::version(*.target), tools::version(*.origin)
    )]
    OlderThanSource { target: u32, origin: u32 },
    #[error(
        "the source's encoding is SQL_ASCII, and its schema holds bytes that are not UTF-8, which the target, {encoding}, cannot take: {}; make the target with ENCODING 'SQL_ASCII' (recv --create-db does), or correct them on the source and begin anew (pgpipe reset on both hosts), or move the schema by hand and use send --data-only",
        first_few(.entries, NAMES, ", ")
    )]
    StrayBytes {
        encoding: String,
        /// What holds them.
        entries: Vec<String>,
    },
    #[error(
        "the source's encoding is SQL_ASCII, and these names are not ASCII, by which the target, {encoding}, would not find its tables: {}; make the target with ENCODING 'UTF8' or 'SQL_ASCII'",
        first_few(.names, NAMES, ", ")
    )]
    StrayNames {
        encoding: String,
        /// Of tables.
        names: Vec<String>,
    },
    #[error("the target database is the source database itself")]
    Same,
    #[error("the target is a standby (in recovery) and cannot be written to")]
    Standby,
    #[error(
        "the target has no tablespace {names}, or recv's role may make nothing there; make it and GRANT CREATE on it, or use send --no-tablespaces"
    )]
    Tablespaces { names: String },
    #[error("{} on the target; pgpipe writes only into tables that it creates: drop them, or name another database", held(.filled, .empty))]
    NotEmpty {
        filled: Vec<QualifiedName>,
        empty: Vec<QualifiedName>,
    },
    #[error(
        "already there on the target: {objects}; large objects keep their OIDs: unlink them, or name another database"
    )]
    Objects { objects: String },
    #[error(
        "large objects go through a temporary table, which recv's role may not make: GRANT TEMPORARY ON DATABASE {database} TO {role}"
    )]
    Temporary { database: String, role: String },
}

/// Refuses a target whose server lacks a tablespace, or lets nothing be made in it: the tables that
/// lie there could not be.
pub fn require_tablespaces(client: &mut Client, needed: &[String]) -> Result<(), DatabaseError> {
    let rows = client.query(
        "SELECT spcname FROM pg_tablespace \
         WHERE has_tablespace_privilege(oid, 'CREATE') OR oid = (SELECT dattablespace FROM pg_database WHERE datname = current_database())",
    )?;
    let usable: HashSet<_> = rows.iter().filter_map(|row| row.get(0)).collect();
    let missing = needed.iter().filter(|name| !usable.contains(name.as_str()));
    let names: Vec<_> = missing.map(String::as_str).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(DatabaseError::Tablespaces {
            names: names.join(", "),
        }),
    }
}

fn held(filled: &[QualifiedName], empty: &[QualifiedName]) -> String {
    let list = |names: &[QualifiedName]| first_few(names, NAMES, ", ");
    if filled.is_empty() {
        format!("already there: {}", list(empty))
    } else {
        format!("already there and not empty: {}", list(filled))
    }
}

/// Connects to the target database; with `create`, a missing one is made once the source is known.
pub fn connect(info: &ConnInfo, name: &str) -> Result<Client, DatabaseError> {
    session::open(info, name, "UTF8").map_err(|source| match source.sqlstate() {
        Some("3D000") => DatabaseError::Missing {
            database: info.dbname().to_owned(),
            source,
        },
        _ => source.into(),
    })
}

/// Connects to a database that always exists, to see the server while the target's is missing.
pub fn connect_to_server(info: &ConnInfo, name: &str) -> Result<Client, DatabaseError> {
    let [first, second] = MAINTENANCE;
    let client = session::open(&info.with_dbname(first), name, "UTF8")
        .or_else(|_| session::open(&info.with_dbname(second), name, "UTF8"))?;
    Ok(client)
}

/// Makes the target database with the source's encoding and collation.
pub fn create(info: &ConnInfo, name: &str, source: &SourceInfo) -> Result<(), DatabaseError> {
    let mut client = connect_to_server(info, name)?;
    let sql = create_sql(info.dbname(), source, client.server_version());
    client
        .execute(&sql)
        .map(drop)
        .map_err(|error| DatabaseError::Create {
            database: info.dbname().to_owned(),
            encoding: source.encoding.clone(),
            collate: source.locale.collate.clone(),
            source: error,
        })
}

fn create_sql(database: &str, source: &SourceInfo, target_version: u32) -> String {
    let Locale {
        collate,
        ctype,
        provider,
        provider_locale,
        icu_rules,
    } = &source.locale;
    let mut sql = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        quote_ident_always(database),
        quote_literal(&source.encoding),
        quote_literal(collate),
        quote_literal(ctype)
    );
    if target_version >= 150_000 {
        let locale = provider_locale
            .as_deref()
            .map(quote_literal)
            .unwrap_or_default();
        sql += &match provider {
            'i' => format!(" LOCALE_PROVIDER icu ICU_LOCALE {locale}"),
            'b' => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}"),
            _ => " LOCALE_PROVIDER libc".to_owned(),
        };
        if let Some(rules) = icu_rules {
            // Before 16 the server says that it does not know them.
            sql += &format!(" ICU_RULES {}", quote_literal(rules));
        }
    }
    sql
}

/// Judges server and database: version (an older one than the source's only where `downgrade` is
/// allowed), role, and that it is not the source itself.
pub fn judge(
    client: &mut Client,
    source: &SourceInfo,
    downgrade: bool,
) -> Result<(), DatabaseError> {
    let version = client.server_version();
    if version < OLDEST {
        return Err(DatabaseError::TooOld {
            found: version,
            needed: OLDEST,
        });
    }
    if tools::major(version) < tools::major(source.server_version) && !downgrade {
        return Err(DatabaseError::OlderThanSource {
            target: version,
            origin: source.server_version,
        });
    }
    let rows = client.query(
        "SELECT pg_is_in_recovery(), current_database(), (SELECT system_identifier FROM pg_control_system())",
    )?;
    if rows[0].bool(0)? {
        return Err(DatabaseError::Standby);
    }
    if rows[0].text(1)? == source.database && rows[0].text(2)? == source.system_identifier {
        return Err(DatabaseError::Same);
    }
    Ok(())
}

/// The encoding of the client's database.
pub fn encoding(client: &Client) -> &str {
    client.parameter("server_encoding").unwrap_or_default()
}

/// Refuses SQL of these entries, which is not UTF-8.
pub fn require_text(encoding: &str, entries: Vec<String>) -> Result<(), DatabaseError> {
    let encoding = encoding.to_owned();
    match entries.is_empty() {
        true => Ok(()),
        false => Err(DatabaseError::StrayBytes { encoding, entries }),
    }
}

/// Refuses names of tables that are not ASCII.
pub fn require_ascii(
    encoding: &str,
    names: impl Iterator<Item = String>,
) -> Result<(), DatabaseError> {
    let encoding = encoding.to_owned();
    let names: Vec<_> = names.filter(|name| !name.is_ascii()).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(DatabaseError::StrayNames { encoding, names }),
    }
}

/// Refuses a target that already has any table of the plan; those of an extension come with that,
/// which may be there already.
pub fn require_absent(client: &mut Client, plan: &Plan) -> Result<(), DatabaseError> {
    if plan.has_large_objects() {
        require_no_objects(client)?;
    }
    require_no_tables(client, plan)
}

/// The same of tables alone.
pub fn require_no_tables(client: &mut Client, plan: &Plan) -> Result<(), DatabaseError> {
    let there = tables(client)?;
    let (mut filled, mut empty) = (Vec::new(), Vec::new());
    let of_extensions = extension_tables(client)?;
    let comes_along = |t: &&Table| t.condition.is_some() && of_extensions.contains(&t.name);
    let ours = plan.tables.iter().filter(|t| !comes_along(t));
    for table in ours.filter(|t| there.contains(&t.name)) {
        let rows = client.query(&format!("SELECT EXISTS (SELECT FROM {})", table.sql_name()))?;
        let list = if rows[0].bool(0)? {
            &mut filled
        } else {
            &mut empty
        };
        list.push(table.name.clone());
    }
    if filled.is_empty() && empty.is_empty() {
        return Ok(());
    }
    Err(DatabaseError::NotEmpty { filled, empty })
}

/// Tables that belong to an extension of the target.
fn extension_tables(client: &mut Client) -> Result<HashSet<QualifiedName>, PgError> {
    let rows = client.query(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' \
         WHERE c.relkind = 'r'",
    )?;
    rows.iter()
        .map(|row| Ok(QualifiedName::new(row.text(0)?, row.text(1)?)))
        .collect()
}

/// Refuses a target that has large objects: ours keep their OIDs, which another's may have.
pub fn require_no_objects(client: &mut Client) -> Result<(), DatabaseError> {
    let rows = client.query("SELECT oid FROM pg_largeobject_metadata ORDER BY oid")?;
    let oids = rows.iter().map(|row| row.parse(0).map(Oid));
    let oids: Vec<_> = oids.collect::<Result<_, _>>()?;
    if oids.is_empty() {
        return Ok(());
    }
    let objects = objects_named(&oids);
    Err(DatabaseError::Objects { objects })
}

/// Refuses a role that may not make the table that rows of large objects are copied into.
pub fn require_temporary(client: &mut Client) -> Result<(), DatabaseError> {
    let rows = client.query(
        "SELECT has_database_privilege(current_database(), 'TEMPORARY'), \
         quote_ident(current_database()), quote_ident(current_user)",
    )?;
    if rows[0].bool(0)? {
        return Ok(());
    }
    Err(DatabaseError::Temporary {
        database: rows[0].text(1)?.to_owned(),
        role: rows[0].text(2)?.to_owned(),
    })
}

/// Everything that has a table's kind of name in the target database.
pub fn tables(client: &mut Client) -> Result<HashSet<QualifiedName>, PgError> {
    let rows = client.query(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
    )?;
    rows.iter()
        .map(|row| Ok(QualifiedName::new(row.text(0)?, row.text(1)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_with_the_sources_locale() {
        let source = SourceInfo {
            display: String::new(),
            database: "d".into(),
            server_version: 180_000,
            encoding: "UTF8".into(),
            locale: Locale {
                collate: "C".into(),
                ctype: "C".into(),
                provider: 'i',
                provider_locale: Some("de".into()),
                icu_rules: Some("&a < g'".into()),
            },
            system_identifier: String::new(),
        };
        assert_eq!(
            create_sql("d", &source, 180_000),
            "CREATE DATABASE \"d\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' \
             LOCALE_PROVIDER icu ICU_LOCALE 'de' ICU_RULES '&a < g'''"
        );
    }
}
