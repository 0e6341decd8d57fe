//! Makes the roles that the source's objects belong to where the target's server lacks them:
//! without passwords, and without what would make them more than the roles of one database
//! (SUPERUSER, REPLICATION, BYPASSRLS).

use std::collections::BTreeSet;

use crate::pg::Client;
use crate::schema::database::{Membership, Role};
use crate::schema::{quote_ident_always, quote_literal};
use crate::sink::journal::{Journal, JournalError, StepError};
use crate::sink::{finish, properties};

const STEP: &str = "role ";
/// Of a role that recv's was made a member of, until the journal is dropped (journal/joined.sql).
const JOINED: &str = "joined ";
/// feature_not_supported: what the server would say, had it a word for it.
const NOT_SUPPORTED: &str = "0A000";

/// Those of the roles that the server did not have before this migration.
fn missing<'a>(
    client: &mut Client,
    journal: &Journal,
    roles: &'a [Role],
) -> Result<Vec<&'a Role>, JournalError> {
    let steps = journal.made(client)?;
    // A recv that died may have made some, and not what follows.
    let ours: BTreeSet<_> = made(&steps).into_iter().collect();
    let there = names(client, "SELECT rolname FROM pg_roles")?;
    let is_missing = |name: &str| !there.contains(name) || ours.contains(name);
    let missing = roles.iter().filter(|role| is_missing(&role.name));
    Ok(missing.collect())
}

fn names(client: &mut Client, sql: &str) -> Result<BTreeSet<String>, JournalError> {
    let rows = client.query(sql);
    let rows = rows.map_err(|source| JournalError::at("look at the roles", source))?;
    let names = rows.iter().filter_map(|row| row.get(0).map(str::to_owned));
    Ok(names.collect())
}

/// Makes the missing ones, each with its step; what the server refuses is recorded. Memberships
/// are made among them alone: nobody comes into a group that the target had before, but recv's role
/// into those that it makes.
pub fn make(client: &mut Client, journal: &Journal, roles: &[Role]) -> Result<(), JournalError> {
    let mut roles = missing(client, journal, roles)?;
    for role in &roles {
        let step = format!("{STEP}{}", role.name);
        run(client, journal, &step, &role.name, create_sql(role))?;
    }
    // Of one that was refused this alone is recorded.
    let steps = journal.made(client)?;
    let made: BTreeSet<_> = made(&steps).into_iter().collect();
    roles.retain(|role| made.contains(&*role.name));
    join(client, journal, &made)?;
    for role in roles {
        memberships(client, journal, role, &made)?;
        for (step, sql) in belongings(role) {
            run(client, journal, &step, &role.name, sql)?;
        }
    }
    Ok(())
}

/// Makes recv's role a member of those that it could not give objects to: of all that it makes,
/// unless it is a superuser. The journal's end takes that back.
fn join(client: &mut Client, journal: &Journal, made: &BTreeSet<&str>) -> Result<(), JournalError> {
    let (able, options) = match client.server_version() {
        // Without INHERIT it could not go on with what it has given.
        Membership::OPTIONS_SINCE.. => (
            "pg_has_role(oid, 'SET') AND pg_has_role(oid, 'USAGE')",
            " WITH INHERIT TRUE, SET TRUE",
        ),
        _ => ("pg_has_role(oid, 'MEMBER')", ""),
    };
    let sql = format!("SELECT rolname FROM pg_roles WHERE NOT ({able})");
    let others = names(client, &sql)?;
    for &role in made.iter().filter(|role| others.contains(**role)) {
        let name = quote_ident_always(role);
        let sql = format!("GRANT {name} TO CURRENT_USER{options}");
        run(client, journal, &format!("{JOINED}{role}"), role, sql)?;
    }
    Ok(())
}

fn memberships(
    client: &mut Client,
    journal: &Journal,
    role: &Role,
    made: &BTreeSet<&str>,
) -> Result<(), JournalError> {
    let version = client.server_version();
    let member = quote_ident_always(&role.name);
    let groups = role.member_of.iter();
    for group in groups.filter(|group| made.contains(&*group.role)) {
        let step = format!("member {} {member}", quote_ident_always(&group.role));
        match unkept(role, group, version) {
            Some(why) => finish::record_error(client, journal, &step, &not_granted(role, why))?,
            None => {
                let sql = grant_sql(&member, group, version);
                run(client, journal, &step, &role.name, sql)?;
            }
        }
    }
    Ok(())
}

/// Why a membership would be more on the target than on the source, where it would.
pub(super) fn unkept(role: &Role, group: &Membership, version: u32) -> Option<String> {
    let option = match group {
        _ if version >= Membership::OPTIONS_SINCE => return None,
        Membership {
            set: Some(false), ..
        } => "SET FALSE",
        // Before, the member's attribute says the same.
        Membership {
            inherit: Some(false),
            ..
        } if role.inherits => "INHERIT FALSE",
        _ => return None,
    };
    let group = &group.role;
    Some(format!(
        "its membership in {group} has {option}, which servers before 16 do not know: not granted"
    ))
}

fn not_granted(role: &Role, why: String) -> StepError {
    StepError {
        object: format!("ROLE {}", role.name),
        statement: String::new(),
        message: why,
        sqlstate: NOT_SUPPORTED.to_owned(),
    }
}

fn grant_sql(member: &str, group: &Membership, version: u32) -> String {
    let word = |is: bool| if is { "TRUE" } else { "FALSE" };
    let mut options = Vec::new();
    if group.admin {
        options.push("ADMIN OPTION".to_owned());
    }
    if version >= Membership::OPTIONS_SINCE {
        options.extend(group.inherit.map(|is| format!("INHERIT {}", word(is))));
        options.extend(group.set.map(|is| format!("SET {}", word(is))));
    }
    let name = quote_ident_always(&group.role);
    let mut sql = format!("GRANT {name} TO {member}");
    if !options.is_empty() {
        sql += &format!(" WITH {}", options.join(", "));
    }
    sql
}

/// What follows a role and is no part of making it, each with its step: from 16 on only who has
/// CREATEDB may give it, some settings are for superusers, and there may be no provider for a label.
fn belongings(role: &Role) -> Vec<(String, String)> {
    let name = quote_ident_always(&role.name);
    let mut belongings = Vec::new();
    if role.creates_databases {
        let sql = format!("ALTER ROLE {name} CREATEDB");
        belongings.push((format!("createdb {name}"), sql));
    }
    belongings.extend(role.settings.iter().map(|(setting, value)| {
        let assignment = properties::assignment(setting, value);
        let sql = format!("ALTER ROLE {name} {assignment}");
        (format!("setting {name} {setting}"), sql)
    }));
    belongings.extend(role.labels.iter().map(|label| {
        let sql = label.statement(&format!("ROLE {name}"));
        (format!("label {name} {}", label.provider), sql)
    }));
    belongings
}

/// The roles that the journal's steps say were made.
pub fn made<'a>(steps: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let steps = steps.into_iter();
    steps.filter_map(|step| step.strip_prefix(STEP)).collect()
}

fn run(
    client: &mut Client,
    journal: &Journal,
    step: &str,
    role: &str,
    sql: String,
) -> Result<(), JournalError> {
    match journal.once(client, step, &sql) {
        Err(JournalError::Postgres { source, .. }) if !source.is_passing() => {
            let object = format!("ROLE {role}");
            finish::record(client, journal, step, &object, sql, &source)
        }
        made => made,
    }
}

fn create_sql(role: &Role) -> String {
    let name = quote_ident_always(&role.name);
    let options = [
        (role.inherits, "INHERIT"),
        (role.creates_roles, "CREATEROLE"),
        (role.can_login, "LOGIN"),
    ];
    let words: Vec<_> = options
        .iter()
        .map(|(is, word)| {
            if *is {
                (*word).to_owned()
            } else {
                format!("NO{word}")
            }
        })
        .collect();
    let mut sql = format!(
        "CREATE ROLE {name} WITH {} CONNECTION LIMIT {}",
        words.join(" "),
        role.connection_limit
    );
    if let Some(until) = &role.valid_until {
        sql += &format!(" VALID UNTIL {}", quote_literal(until));
    }
    if let Some(comment) = &role.comment {
        sql += &format!("; COMMENT ON ROLE {name} IS {}", quote_literal(comment));
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Role {
        Role {
            name: name.into(),
            owns: true,
            inherits: true,
            creates_roles: false,
            creates_databases: true,
            can_login: true,
            connection_limit: -1,
            valid_until: Some("infinity".into()),
            comment: None,
            member_of: Vec::new(),
            labels: Vec::new(),
            settings: vec![("search_path".into(), "a, \"B\"".into())],
        }
    }

    #[test]
    fn a_role_comes_without_what_reaches_beyond_its_database() {
        assert_eq!(
            create_sql(&role("o'x")),
            "CREATE ROLE \"o'x\" WITH INHERIT NOCREATEROLE LOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity'"
        );
    }

    #[test]
    fn what_follows_a_role_is_a_step_of_its_own() {
        let belongings = belongings(&role("r"));
        let sql: Vec<_> = belongings.iter().map(|(_, sql)| sql.as_str()).collect();
        let expected = [
            "ALTER ROLE \"r\" CREATEDB",
            "ALTER ROLE \"r\" SET \"search_path\" TO 'a', 'B'",
        ];
        assert_eq!(sql, expected);
    }

    #[test]
    fn a_membership_is_no_more_than_on_the_source() {
        let group = |admin, inherit, set| Membership {
            role: "g".into(),
            admin,
            inherit,
            set,
        };
        let (member, old) = (role("m"), group(true, None, None));
        let sql = |group: &Membership, version| grant_sql("\"m\"", group, version);
        assert_eq!(sql(&old, 180_000), "GRANT \"g\" TO \"m\" WITH ADMIN OPTION");
        let narrow = group(true, Some(false), Some(false));
        let options = "GRANT \"g\" TO \"m\" WITH ADMIN OPTION, INHERIT FALSE, SET FALSE";
        assert_eq!(sql(&narrow, 160_000), options);
        assert_eq!(unkept(&member, &narrow, 160_000), None);
        assert!(
            unkept(&member, &narrow, 150_000)
                .unwrap()
                .contains("SET FALSE")
        );
        let usual = group(false, Some(true), Some(true));
        assert_eq!(unkept(&member, &usual, 150_000), None);
        assert_eq!(sql(&usual, 150_000), "GRANT \"g\" TO \"m\"");
        let apart = group(false, Some(false), Some(true));
        assert!(unkept(&member, &apart, 150_000).is_some());
        let apart_anyhow = Role {
            inherits: false,
            ..member
        };
        assert_eq!(unkept(&apart_anyhow, &apart, 150_000), None);
    }
}
