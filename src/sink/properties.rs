//! Gives the target database what belongs to the source's itself: owner, comment, labels, limits,
//! privileges and settings. Last of all, as some of it would act on the sessions of the run.

use std::collections::BTreeSet;

use crate::pg::{Client, PgError};
use crate::schema::database::{DatabaseProperties, Grant, Setting};
use crate::schema::{quote_ident_always, quote_literal};
use crate::sink::finish;
use crate::sink::journal::{Journal, JournalError};
use crate::wire::message::Omit;

const CURRENT: &str = include_str!("properties.sql");
/// Settings whose value is a list of identifiers (`GUC_LIST_QUOTE`; `variable_is_guc_list_quote` in
/// pg_dump's dumputils.c): each element is a value of its own.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Applies them, each once and by itself; what the server refuses is recorded, and the rest goes
/// on. The target's own settings stay where the source has none of the name.
pub fn apply(
    client: &mut Client,
    journal: &Journal,
    done: &BTreeSet<String>,
    properties: &DatabaseProperties,
    omit: Omit,
) -> Result<(), JournalError> {
    let current = Current::read(client);
    let current =
        current.map_err(|source| JournalError::at("look at the database itself", source))?;
    for Change { what, sql } in changes(&current, properties, omit) {
        let step = format!("database {what}");
        if done.contains(&step) {
            continue;
        }
        match journal.once(client, &step, &sql) {
            Err(JournalError::Postgres { source, .. }) if !source.is_passing() => {
                let object = format!("DATABASE {}: {what}", current.name);
                finish::record(client, journal, &step, &object, sql, &source)?;
            }
            applied => applied?,
        }
    }
    Ok(())
}

/// The target database as it is.
struct Current {
    name: String,
    owner: String,
    comment: Option<String>,
    connection_limit: i32,
    is_template: bool,
}

impl Current {
    fn read(client: &mut Client) -> Result<Self, PgError> {
        let rows = client.query(CURRENT)?;
        let row = &rows[0];
        Ok(Self {
            name: row.text(0)?.to_owned(),
            owner: row.text(1)?.to_owned(),
            comment: row.get(2).map(str::to_owned),
            connection_limit: row.parse(3)?,
            is_template: row.bool(4)?,
        })
    }
}

/// One property, in a transaction of its own.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    what: String,
    sql: String,
}

fn change(what: impl Into<String>, sql: String) -> Change {
    let what = what.into();
    Change { what, sql }
}

/// The owner before the privileges, which he grants; the settings after what they could disturb.
fn changes(current: &Current, wanted: &DatabaseProperties, omit: Omit) -> Vec<Change> {
    let database = quote_ident_always(&current.name);
    let alter = |what: &str| format!("ALTER DATABASE {database} {what}");
    let mut changes = Vec::new();
    if !omit.owner && wanted.owner != current.owner {
        let owner = quote_ident_always(&wanted.owner);
        changes.push(change("owner", alter(&format!("OWNER TO {owner}"))));
    }
    if let Some(comment) = wanted
        .comment
        .as_ref()
        .filter(|_| wanted.comment != current.comment)
    {
        let comment = quote_literal(comment);
        let sql = format!("COMMENT ON DATABASE {database} IS {comment}");
        changes.push(change("comment", sql));
    }
    let labels = wanted.labels.iter().map(|label| {
        let what = format!("security label of {}", label.provider);
        change(what, label.statement(&format!("DATABASE {database}")))
    });
    changes.extend(labels);
    if !omit.privileges {
        changes.extend(privileges(&database, wanted, omit));
    }
    if wanted.connection_limit != current.connection_limit {
        let limit = wanted.connection_limit;
        let sql = alter(&format!("CONNECTION LIMIT {limit}"));
        changes.push(change("connection limit", sql));
    }
    if wanted.is_template && !current.is_template {
        changes.push(change("is template", alter("IS_TEMPLATE true")));
    }
    changes.extend(wanted.settings.iter().map(|s| setting(&database, s)));
    changes
}

/// What nobody has changed is not in `datacl`; where there is one, it is said whole, but nothing is
/// taken from those whom only the target knows.
fn privileges(database: &str, wanted: &DatabaseProperties, omit: Omit) -> Vec<Change> {
    let Some(grants) = &wanted.grants else {
        return Vec::new();
    };
    let owner = quote_ident_always(&wanted.owner);
    let mut revoke = format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC");
    if !omit.owner {
        revoke += &format!("; REVOKE ALL ON DATABASE {database} FROM {owner}");
    }
    let granted = grants
        .iter()
        .filter(|grant| !omit.owner || grant.grantee.as_ref() != Some(&wanted.owner))
        .map(|grant| granting(database, &wanted.owner, grant));
    let mut changes = vec![change("privileges", revoke)];
    changes.extend(granted);
    changes
}

fn granting(database: &str, owner: &str, grant: &Grant) -> Change {
    let Grant {
        grantee,
        grantor,
        privilege,
        grantable,
    } = grant;
    let to = grantee
        .as_ref()
        .map_or_else(|| "PUBLIC".to_owned(), |role| quote_ident_always(role));
    let option = if *grantable { " WITH GRANT OPTION" } else { "" };
    // What is none of a database's privileges the server refuses.
    let word = match privilege.as_str() {
        known @ ("CREATE" | "TEMPORARY" | "CONNECT") => known.to_owned(),
        other => quote_ident_always(other),
    };
    let mut sql = format!("GRANT {word} ON DATABASE {database} TO {to}{option}");
    if grantor != owner {
        let grantor = quote_ident_always(grantor);
        sql = format!("SET SESSION AUTHORIZATION {grantor}; {sql}; RESET SESSION AUTHORIZATION");
    }
    change(format!("{privilege} to {to} by {grantor}"), sql)
}

fn setting(database: &str, setting: &Setting) -> Change {
    let (what, who) = match &setting.role {
        None => (setting.name.clone(), format!("DATABASE {database}")),
        Some(role) => {
            let role = quote_ident_always(role);
            let what = format!("{} of role {role}", setting.name);
            (what, format!("ROLE {role} IN DATABASE {database}"))
        }
    };
    change(
        format!("setting {what}"),
        format!("ALTER {who} {}", assignment(&setting.name, &setting.value)),
    )
}

/// What follows `ALTER ROLE r` to give it a setting, whose value is as the server keeps it.
pub(super) fn assignment(name: &str, value: &str) -> String {
    let value = match LISTS.contains(&name.to_ascii_lowercase().as_str()) {
        true => list(value),
        false => quote_literal(value),
    };
    format!("SET {} TO {value}", quote_ident_always(name))
}

/// `a, "B ""b"` as `'a', 'B "b'`: the elements as the server has quoted them (`SplitGUCList`).
fn list(value: &str) -> String {
    let mut elements = Vec::new();
    let mut element = String::new();
    let (mut chars, mut quoted) = (value.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => element.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(std::mem::take(&mut element)),
            c if c.is_ascii_whitespace() && !quoted => {}
            c => element.push(c),
        }
    }
    elements.push(element);
    let literals: Vec<_> = elements.iter().map(|e| quote_literal(e)).collect();
    literals.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current() -> Current {
        Current {
            name: "d".into(),
            owner: "postgres".into(),
            comment: None,
            connection_limit: -1,
            is_template: false,
        }
    }

    fn sql(wanted: &DatabaseProperties, omit: Omit) -> Vec<String> {
        let changes = changes(&current(), wanted, omit);
        changes.into_iter().map(|change| change.sql).collect()
    }

    #[test]
    fn a_database_like_any_other_changes_nothing() {
        let plain = DatabaseProperties {
            owner: "postgres".into(),
            connection_limit: -1,
            ..DatabaseProperties::default()
        };
        assert!(sql(&plain, Omit::default()).is_empty());
    }

    #[test]
    fn elements_of_a_list_are_values_of_their_own() {
        assert_eq!(
            list("app, \"$user\", \"Odd \"\" , name\""),
            "'app', '$user', 'Odd \" , name'"
        );
        assert_eq!(list("\"\""), "''");
        let setting = |name: &str| Setting {
            role: None,
            name: name.into(),
            value: "a, b".into(),
        };
        let wanted = DatabaseProperties {
            owner: "postgres".into(),
            connection_limit: -1,
            settings: vec![setting("search_path"), setting("DateStyle")],
            ..DatabaseProperties::default()
        };
        assert_eq!(
            sql(&wanted, Omit::default()),
            [
                "ALTER DATABASE \"d\" SET \"search_path\" TO 'a', 'b'",
                "ALTER DATABASE \"d\" SET \"DateStyle\" TO 'a, b'"
            ]
        );
    }

    #[test]
    fn the_owners_privileges_stay_where_he_is_left_out() {
        let grant = |grantee: Option<&str>, grantor: &str| Grant {
            grantee: grantee.map(str::to_owned),
            grantor: grantor.into(),
            privilege: "CONNECT".into(),
            grantable: false,
        };
        let wanted = DatabaseProperties {
            owner: "o".into(),
            connection_limit: -1,
            grants: Some(vec![grant(Some("o"), "o"), grant(None, "x")]),
            ..DatabaseProperties::default()
        };
        let omit = Omit {
            owner: true,
            ..Omit::default()
        };
        assert_eq!(
            sql(&wanted, omit),
            [
                "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC",
                "SET SESSION AUTHORIZATION \"x\"; GRANT CONNECT ON DATABASE \"d\" TO PUBLIC; RESET SESSION AUTHORIZATION"
            ]
        );
        assert_eq!(sql(&wanted, Omit::default()).len(), 4);
    }
}
