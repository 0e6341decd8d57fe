//! Makes the roles that the source's objects belong to where the target's server lacks them:
//! without passwords, and without what would make them more than the roles of one database
//! (SUPERUSER, REPLICATION, BYPASSRLS).

use std::collections::BTreeSet;

use crate::pg::Client;
use crate::schema::database::Role;
use crate::schema::{quote_ident_always, quote_literal};
use crate::sink::finish;
use crate::sink::journal::{Journal, JournalError};

const STEP: &str = "role ";

/// Those of the roles that the server did not have before this migration.
fn missing<'a>(
    client: &mut Client,
    journal: &Journal,
    roles: &'a [Role],
) -> Result<Vec<&'a Role>, JournalError> {
    let steps = journal.made(client)?;
    // A recv that died may have made some, and not what follows.
    let ours: BTreeSet<_> = made(&steps).into_iter().collect();
    let rows = client.query("SELECT rolname FROM pg_roles");
    let rows = rows.map_err(|source| JournalError::at("look at the roles", source))?;
    let there: BTreeSet<_> = rows.iter().filter_map(|row| row.get(0)).collect();
    let is_missing = |name: &str| !there.contains(name) || ours.contains(name);
    let missing = roles.iter().filter(|role| is_missing(&role.name));
    Ok(missing.collect())
}

/// Makes the missing ones, each with its step; what the server refuses is recorded. Memberships
/// are made among them alone: nobody comes into a group that the target had before.
pub fn make(client: &mut Client, journal: &Journal, roles: &[Role]) -> Result<(), JournalError> {
    let missing = missing(client, journal, roles)?;
    for role in &missing {
        let sql = create_sql(role);
        run(
            client,
            journal,
            &format!("{STEP}{}", role.name),
            &role.name,
            sql,
        )?;
    }
    let made: BTreeSet<_> = missing.iter().map(|role| role.name.as_str()).collect();
    for role in &missing {
        let groups = role.member_of.iter();
        for group in groups.filter(|group| made.contains(group.role.as_str())) {
            let (name, member) = (
                quote_ident_always(&group.role),
                quote_ident_always(&role.name),
            );
            let option = if group.admin {
                " WITH ADMIN OPTION"
            } else {
                ""
            };
            let sql = format!("GRANT {name} TO {member}{option}");
            run(
                client,
                journal,
                &format!("member {name} {member}"),
                &role.name,
                sql,
            )?;
        }
    }
    missing
        .into_iter()
        .try_for_each(|role| label(client, journal, role))
}

/// Labels are no part of making a role: the server may have no provider for them.
fn label(client: &mut Client, journal: &Journal, role: &Role) -> Result<(), JournalError> {
    let name = quote_ident_always(&role.name);
    for label in &role.labels {
        let step = format!("label {name} {}", label.provider);
        let sql = label.statement(&format!("ROLE {name}"));
        run(client, journal, &step, &role.name, sql)?;
    }
    Ok(())
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
        (role.creates_databases, "CREATEDB"),
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

    #[test]
    fn a_role_comes_without_what_reaches_beyond_its_database() {
        let role = Role {
            name: "o'x".into(),
            owns: true,
            inherits: true,
            creates_roles: false,
            creates_databases: false,
            can_login: true,
            connection_limit: -1,
            valid_until: Some("infinity".into()),
            comment: None,
            member_of: Vec::new(),
            labels: Vec::new(),
        };
        assert_eq!(
            create_sql(&role),
            "CREATE ROLE \"o'x\" WITH INHERIT NOCREATEROLE NOCREATEDB LOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity'"
        );
    }
}
