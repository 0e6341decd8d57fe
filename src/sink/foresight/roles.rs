//! Roles that are missing, or that nothing can be given to, and what those that are made will lack.

use super::facts::Facts;
use crate::schema::database::{DatabaseProperties, Role};
use crate::sink::roles;
use crate::wire::message::{Offer, Omit};

/// From here on a role gives only what it has.
const GIVES_ITS_OWN_SINCE: u32 = 160_000;

pub(super) fn lines(facts: &Facts, offer: &Offer) -> Vec<String> {
    let about = |role: &Role| match facts.roles.get(&role.name) {
        None if offer.make_roles => about_made(facts, role, &offer.roles),
        given if is_needed(role, offer.omit) => {
            about_role(role, given.copied()).into_iter().collect()
        }
        _ => Vec::new(),
    };
    offer.roles.iter().flat_map(about).collect()
}

fn is_needed(role: &Role, omit: Omit) -> bool {
    match role.owns {
        true => !omit.owner,
        false => !omit.privileges,
    }
}

/// `given`: whether objects can be given to it, where it is there.
fn about_role(role: &Role, given: Option<bool>) -> Option<String> {
    let name = &role.name;
    match given {
        None if role.owns => Some(format!(
            "owner {name} of his objects: there is no such role on the target; make it, or use send --roles, --map-role or --no-owner"
        )),
        None => Some(format!(
            "privileges of {name}: there is no such role on the target; make it, or use send --roles, --map-role or --no-privileges"
        )),
        Some(false) if role.owns => Some(format!(
            "owner {name} of his objects: recv's role is not a member of it; grant it that, or use send --no-owner"
        )),
        Some(_) => None,
    }
}

/// What of a role that is to be made will be refused; objects can be given to it.
fn about_made(facts: &Facts, role: &Role, all: &[Role]) -> Vec<String> {
    let name = &role.name;
    if !facts.is_superuser && !facts.creates_roles {
        return vec![format!("role {name}: needs CREATEROLE to be made")];
    }
    let mut lines = Vec::new();
    let is_bound = !facts.is_superuser && facts.version >= GIVES_ITS_OWN_SINCE;
    if role.creates_databases && is_bound && !facts.creates_databases {
        lines.push(format!(
            "CREATEDB of role {name}: recv's role needs CREATEDB to give it"
        ));
    }
    let settings = role.settings.iter().map(|(setting, _)| setting);
    let guarded = settings.filter(|&s| !facts.is_superuser && facts.guarded.contains(s));
    lines.extend(guarded.map(|setting| {
        format!("setting {setting} of role {name}: only a superuser can change it")
    }));
    let is_made =
        |group: &str| all.iter().any(|role| role.name == group) && !facts.roles.contains_key(group);
    let groups = role.member_of.iter().filter(|group| is_made(&group.role));
    let unkept = groups.filter_map(|group| roles::unkept(role, group, facts.version));
    lines.extend(unkept.map(|why| format!("role {name}: {why}")));
    lines
}

/// PostgreSQL lets nobody give a database away who could not make one.
pub(super) fn about_owner(
    facts: &Facts,
    database: &DatabaseProperties,
    omit: Omit,
) -> Option<String> {
    let is_refused = !omit.owner && database.owner != facts.owner && !facts.creates_databases;
    is_refused.then(|| {
        format!(
            "owner {} of the database: recv's role needs CREATEDB, and to be a member of that owner, to give it away; grant it both, or use send --no-owner",
            database.owner
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, owns: bool) -> Role {
        Role {
            name: name.into(),
            owns,
            inherits: true,
            creates_roles: false,
            creates_databases: true,
            can_login: false,
            connection_limit: -1,
            valid_until: None,
            comment: None,
            member_of: Vec::new(),
            labels: Vec::new(),
            settings: vec![("log_statement".into(), "all".into())],
        }
    }

    #[test]
    fn owners_and_grantees_are_told_apart() {
        let told = |owns, given| about_role(&role("r", owns), given);
        assert_eq!(told(true, Some(true)), None);
        assert_eq!(told(false, Some(false)), None);
        assert!(told(true, Some(false)).unwrap().contains("not a member"));
        assert!(told(false, None).unwrap().starts_with("privileges of r"));
        assert!(told(true, None).unwrap().starts_with("owner r"));
    }

    #[test]
    fn what_a_role_that_is_made_will_lack_is_told() {
        let mut facts = Facts {
            version: 180_000,
            guarded: ["log_statement".to_owned()].into(),
            ..Facts::default()
        };
        let told = |facts: &Facts| about_made(facts, &role("r", true), &[]);
        assert!(told(&facts)[0].contains("needs CREATEROLE to be made"));
        facts.creates_roles = true;
        assert_eq!(told(&facts).len(), 2, "{:?}", told(&facts));
        facts.creates_databases = true;
        assert_eq!(told(&facts).len(), 1, "{:?}", told(&facts));
        facts.is_superuser = true;
        assert!(told(&facts).is_empty());
    }
}
