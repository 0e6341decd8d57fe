//! From an object's access privileges on the source to the statements that give it the same here.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::schema::roles::RoleMap;
use crate::schema::{Oid, objects_named, quote_ident_always};

/// The two kinds of privilege that large objects know.
const PRIVILEGES: [&str; 2] = ["SELECT", "UPDATE"];

/// A statement, and what it is about.
pub(super) struct Deed {
    pub(super) object: String,
    pub(super) statement: String,
}

/// One privilege: grantor, grantee (none is PUBLIC), kind, whether it may be granted on.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Grant(String, Option<String>, String, bool);

impl Grant {
    /// By the names that roles have here.
    pub(super) fn renamed(self, roles: &RoleMap) -> Self {
        let Self(grantor, grantee, kind, option) = self;
        let name = |role: &str| roles.name(role).to_owned();
        Self(name(&grantor), grantee.as_deref().map(name), kind, option)
    }
}

/// The statements for objects that have the same privileges. The owner's come first, as all others
/// go back to them; then each grantor's after those that allow him to grant. `owner` is who owned
/// them on the source, `owner_now` who does here.
pub(super) fn deeds(oids: &[Oid], owner: &str, owner_now: &str, grants: &[Grant]) -> Vec<Deed> {
    let here = |role: &str| match role == owner {
        true => owner_now.to_owned(),
        false => role.to_owned(),
    };
    let grants: Vec<Grant> = grants
        .iter()
        .map(|Grant(grantor, grantee, kind, option)| {
            let grantee = grantee.as_deref().map(here);
            Grant(here(grantor), grantee, kind.clone(), *option)
        })
        .collect();
    let (own, others): (Vec<_>, Vec<_>) = grants.iter().partition(|g| is_own(g, owner_now));
    let list: Vec<_> = oids.iter().map(Oid::to_string).collect();
    let list = format!("LARGE OBJECT {}", list.join(", "));
    // Without this a revocation of nothing would leave no trace.
    let mut statements = vec![format!("GRANT ALL ON {list} TO {}", name(Some(owner_now)))];
    for kind in PRIVILEGES {
        if !own.iter().any(|g| g.2 == kind) {
            statements.push(format!(
                "REVOKE {kind} ON {list} FROM {}",
                name(Some(owner_now))
            ));
        }
    }
    let own_options = own
        .iter()
        .filter(|g| g.3)
        .map(|g| grant(g, &list, owner_now));
    statements.extend(own_options);
    statements.extend(ordered(owner_now, others).map(|g| grant(g, &list, owner_now)));
    let deed = |statement| Deed {
        object: objects_named(oids),
        statement,
    };
    statements.into_iter().map(deed).collect()
}

fn is_own(grant: &Grant, owner: &str) -> bool {
    grant.0 == owner && grant.1.as_deref() == Some(owner)
}

/// Each after what allows its grantor to grant it.
fn ordered<'a>(owner: &str, mut todo: Vec<&'a Grant>) -> impl Iterator<Item = &'a Grant> {
    let mut may = BTreeSet::new();
    for kind in PRIVILEGES {
        may.insert((owner.to_owned(), kind.to_owned()));
    }
    let mut done = Vec::new();
    loop {
        let allowed = |g: &&Grant| may.contains(&(g.0.clone(), g.2.clone()));
        let (ready, rest): (Vec<_>, Vec<_>) = todo.into_iter().partition(allowed);
        let options = ready.iter().filter(|g| g.3);
        may.extend(options.filter_map(|g| Some((g.1.clone()?, g.2.clone()))));
        let stuck = ready.is_empty();
        done.extend(ready);
        todo = rest;
        if stuck {
            return done.into_iter().chain(todo);
        }
    }
}

/// What the owner has granted, whoever speaks for him grants; all else needs the grantor's role.
fn grant(Grant(grantor, grantee, kind, option): &Grant, list: &str, owner: &str) -> String {
    let option = if *option { " WITH GRANT OPTION" } else { "" };
    let grantee = name(grantee.as_deref());
    let sql = format!("GRANT {kind} ON {list} TO {grantee}{option}");
    match grantor == owner {
        true => sql,
        false => format!("SET LOCAL ROLE {}; {sql}; RESET ROLE", name(Some(grantor))),
    }
}

fn name(role: Option<&str>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), quote_ident_always)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(owner_now: &str, acl: &str) -> Vec<String> {
        let grants: Vec<Grant> = serde_json::from_str(acl).unwrap();
        let deeds = deeds(&[Oid(7), Oid(9)], "app", owner_now, &grants);
        deeds.into_iter().map(|d| d.statement).collect()
    }

    #[test]
    fn who_may_grant_comes_first() {
        let acl = r#"[["r","s","SELECT",false],["app","r","SELECT",true],["app",null,"UPDATE",false],
            ["app","app","SELECT",false]]"#;
        let told = statements("app", acl);
        assert_eq!(
            told,
            [
                r#"GRANT ALL ON LARGE OBJECT 7, 9 TO "app""#,
                r#"REVOKE UPDATE ON LARGE OBJECT 7, 9 FROM "app""#,
                r#"GRANT SELECT ON LARGE OBJECT 7, 9 TO "r" WITH GRANT OPTION"#,
                r#"GRANT UPDATE ON LARGE OBJECT 7, 9 TO PUBLIC"#,
                r#"SET LOCAL ROLE "r"; GRANT SELECT ON LARGE OBJECT 7, 9 TO "s"; RESET ROLE"#,
            ]
        );
    }

    #[test]
    fn another_owner_takes_the_place_of_the_old_one() {
        let told = statements(
            "us",
            r#"[["app","app","SELECT",false],["app","r","UPDATE",false]]"#,
        );
        assert!(told.iter().all(|sql| !sql.contains("app")), "{told:?}");
    }
}
