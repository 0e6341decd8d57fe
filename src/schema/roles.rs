//! Roles that have another name on the target than on the source (`--map-role old=new`).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::database::{DatabaseProperties, Grant, Membership, Role};
use super::quote_ident;

/// What PostgreSQL reserves: no role has such a name.
const RESERVED: [&str; 2] = ["public", "none"];

/// One role's two names, as `old=new`: each as psql takes a name, in double quotes where its case or
/// its characters matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    pub old: String,
    pub new: String,
}

/// Why a text is no [`Rename`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    #[error("it is old=new, as in app=shop or \"Old Name\"=new")]
    Form,
    #[error("{0} is no role's name")]
    Reserved(String),
}

impl FromStr for Rename {
    type Err = RenameError;

    fn from_str(text: &str) -> Result<Self, RenameError> {
        let (old, rest) = name(text)?;
        let rest = rest.strip_prefix('=').ok_or(RenameError::Form)?;
        let (new, rest) = name(rest)?;
        match rest {
            "" => Ok(Self { old, new }),
            _ => Err(RenameError::Form),
        }
    }
}

/// The name that a text begins with, and what follows it.
fn name(text: &str) -> Result<(String, &str), RenameError> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    let mut quoted = false;
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if quoted && chars.next_if(|(_, next)| *next == '"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            '=' if !quoted => {
                end = at;
                break;
            }
            c if quoted => name.push(c),
            c => name.push(c.to_ascii_lowercase()),
        }
    }
    match quoted || name.is_empty() {
        true => Err(RenameError::Form),
        false if RESERVED.contains(&name.as_str()) => Err(RenameError::Reserved(name)),
        false => Ok((name, &text[end..])),
    }
}

/// The roles of the source whose names differ on the target. Several may become one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleMap(BTreeMap<String, String>);

impl RoleMap {
    /// Of renames; or the role that would become two.
    pub fn new(renames: &[Rename]) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        for Rename { old, new } in renames {
            let before = map.insert(old.clone(), new.clone());
            if before.is_some_and(|before| before != *new) {
                return Err(old.clone());
            }
        }
        Ok(Self(map))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The target's name of a role of the source.
    pub fn name<'a>(&'a self, role: &'a str) -> &'a str {
        self.0.get(role).map_or(role, String::as_str)
    }

    /// Each as `old=new`, as on a command line.
    pub fn renames(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(shown)
    }

    /// Those whose old name is none of these roles', in the same way.
    pub fn unused(&self, roles: &[Role]) -> Vec<String> {
        let is_known = |old: &String| roles.iter().any(|role| role.name == *old);
        let unused = self.0.iter().filter(|(old, _)| !is_known(old));
        unused.map(shown).collect()
    }

    /// The same roles by their names on the target. Where several are one there, that is as the one
    /// which has the name already, or else the first.
    pub fn roles(&self, roles: Vec<Role>) -> Vec<Role> {
        if self.is_empty() {
            return roles;
        }
        let (unchanged, renamed): (Vec<_>, Vec<_>) = roles
            .into_iter()
            .partition(|role| self.name(&role.name) == role.name);
        let mut there: BTreeMap<String, Role> = BTreeMap::new();
        for mut role in unchanged.into_iter().chain(renamed) {
            role.name = self.name(&role.name).to_owned();
            role.member_of = self.memberships(&role);
            match there.get_mut(&role.name) {
                Some(known) => known.owns |= role.owns,
                None => {
                    there.insert(role.name.clone(), role);
                }
            }
        }
        there.into_values().collect()
    }

    /// Not in itself.
    fn memberships(&self, role: &Role) -> Vec<Membership> {
        let mut groups: BTreeMap<&str, Membership> = BTreeMap::new();
        for group in &role.member_of {
            let name = self.name(&group.role);
            match groups.get_mut(name) {
                Some(known) => known.widen(group),
                None => {
                    let role = name.to_owned();
                    let there = Membership {
                        role,
                        ..group.clone()
                    };
                    groups.insert(name, there);
                }
            }
        }
        groups.remove(&*role.name);
        groups.into_values().collect()
    }

    /// What belongs to the database itself, by the target's names. A privilege or setting that one
    /// role gets twice it gets once: may it be granted on in either, then so; the first setting.
    pub fn database(&self, mut database: DatabaseProperties) -> DatabaseProperties {
        if self.is_empty() {
            return database;
        }
        database.owner = self.name(&database.owner).to_owned();
        database.grants = database.grants.map(|grants| self.grants(grants));
        let mut seen = BTreeSet::new();
        for setting in &mut database.settings {
            setting.role = setting.role.take().map(|role| self.name(&role).to_owned());
        }
        database
            .settings
            .retain(|s| seen.insert((s.role.clone(), s.name.clone())));
        database
    }

    fn grants(&self, grants: Vec<Grant>) -> Vec<Grant> {
        let mut merged: Vec<Grant> = Vec::new();
        for mut grant in grants {
            grant.grantee = grant.grantee.map(|role| self.name(&role).to_owned());
            grant.grantor = self.name(&grant.grantor).to_owned();
            let is_same = |known: &&mut Grant| {
                (&known.grantee, &known.grantor, &known.privilege)
                    == (&grant.grantee, &grant.grantor, &grant.privilege)
            };
            match merged.iter_mut().find(is_same) {
                Some(known) => known.grantable |= grant.grantable,
                None => merged.push(grant),
            }
        }
        merged
    }
}

fn shown((old, new): (&String, &String)) -> String {
    format!("{}={}", quote_ident(old), quote_ident(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(renames: &[&str]) -> RoleMap {
        let renames: Vec<_> = renames.iter().map(|text| text.parse().unwrap()).collect();
        RoleMap::new(&renames).unwrap()
    }

    #[test]
    fn names_are_read_as_psql_reads_them() {
        let rename = |text: &str| text.parse::<Rename>().map(|r| (r.old, r.new));
        let pair = |old: &str, new: &str| Ok((old.to_owned(), new.to_owned()));
        assert_eq!(rename("App=shop"), pair("app", "shop"));
        assert_eq!(rename("\"Old Name\"=new"), pair("Old Name", "new"));
        assert_eq!(rename("\"a=\"\"b\"=c\"D\""), pair("a=\"b", "cD"));
        for wrong in ["", "a", "a=", "=b", "\"a=b", "a=b=c", "a=\"b"] {
            assert_eq!(rename(wrong), Err(RenameError::Form), "{wrong}");
        }
        assert_eq!(
            rename("a=PUBLIC"),
            Err(RenameError::Reserved("public".into()))
        );
    }

    #[test]
    fn a_role_has_one_new_name() {
        let renames = ["a=b", "c=b", "a=b", "a=d"].map(|text| text.parse().unwrap());
        assert_eq!(RoleMap::new(&renames), Err("a".to_owned()));
        let swapped = map(&["a=b", "b=a"]);
        assert_eq!((swapped.name("a"), swapped.name("b")), ("b", "a"));
        assert_eq!(swapped.name("c"), "c");
    }

    fn role(name: &str, owns: bool, groups: &[&str]) -> Role {
        let group = |group: &&str| Membership {
            role: (*group).to_owned(),
            admin: false,
            inherit: Some(*group == "b"),
            set: None,
        };
        Role {
            name: name.into(),
            owns,
            inherits: true,
            creates_roles: false,
            creates_databases: false,
            can_login: false,
            connection_limit: -1,
            valid_until: None,
            comment: Some(name.into()),
            member_of: groups.iter().map(group).collect(),
            labels: Vec::new(),
            settings: Vec::new(),
        }
    }

    #[test]
    fn several_roles_become_one() {
        let roles = vec![
            role("a", true, &["b", "g"]),
            role("b", false, &[]),
            role("g", false, &[]),
        ];
        let map = map(&["a=b", "x=y"]);
        assert_eq!(map.unused(&roles), ["x=y"]);
        let there = map.roles(roles);
        assert_eq!(there.len(), 2, "{there:?}");
        assert_eq!((&*there[0].name, there[0].owns), ("b", true));
        assert_eq!(there[0].comment.as_deref(), Some("b"), "its own attributes");
    }

    #[test]
    fn memberships_in_what_becomes_one_group_allow_what_either_does() {
        let there = map(&["a=b"]).roles(vec![role("m", false, &["a", "b"])]);
        let expected = Membership {
            role: "b".into(),
            admin: false,
            inherit: Some(true),
            set: None,
        };
        assert_eq!(there[0].member_of, [expected]);
    }

    #[test]
    fn what_belongs_to_the_database_is_given_to_the_new_names() {
        let grant = |grantee: &str, grantable| Grant {
            grantee: Some(grantee.into()),
            grantor: "a".into(),
            privilege: "CONNECT".into(),
            grantable,
        };
        let database = DatabaseProperties {
            owner: "a".into(),
            grants: Some(vec![grant("a", false), grant("b", true)]),
            ..DatabaseProperties::default()
        };
        let there = map(&["a=c", "b=c"]).database(database);
        assert_eq!(there.owner, "c");
        let grants = there.grants.unwrap();
        assert_eq!(grants.len(), 1, "{grants:?}");
        assert!(grants[0].grantable && grants[0].grantor == "c");
    }
}
