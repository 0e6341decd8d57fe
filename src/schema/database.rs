//! What belongs to a database itself, and not to an object in it.

use serde::{Deserialize, Serialize};

use super::{quote_ident_always, quote_literal};

/// Owner, comment, labels, limits, privileges and settings of a database (`pg_database`,
/// `pg_shseclabel`, `pg_db_role_setting`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseProperties {
    pub owner: String,
    pub comment: Option<String>,
    /// `datconnlimit`: -1 for none.
    pub connection_limit: i32,
    pub is_template: bool,
    /// `datacl` in its order; none where the database has the privileges that every new one has.
    pub grants: Option<Vec<Grant>>,
    /// `ALTER DATABASE … SET`, and `ALTER ROLE … IN DATABASE … SET`.
    pub settings: Vec<Setting>,
    #[serde(default)]
    pub labels: Vec<Label>,
}

impl DatabaseProperties {
    /// Whether sessions of all roles begin with read-only transactions.
    pub fn is_read_only(&self) -> bool {
        let is_it = |s: &&Setting| s.role.is_none() && s.name == "default_transaction_read_only";
        let set = self.settings.iter().find(is_it);
        set.is_some_and(|s| matches!(&*s.value, "on" | "true" | "yes" | "1"))
    }
}

/// A privilege on the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// PUBLIC where there is none.
    pub grantee: Option<String>,
    pub grantor: String,
    /// `CREATE`, `TEMPORARY` or `CONNECT`.
    pub privilege: String,
    pub grantable: bool,
}

/// A security label of an object. In JSON also as `["provider", "text"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub provider: String,
    pub text: String,
}

impl Label {
    /// The statement that gives it to an object, as in `ROLE "r"`.
    pub fn statement(&self, object: &str) -> String {
        let provider = quote_ident_always(&self.provider);
        let text = quote_literal(&self.text);
        format!("SECURITY LABEL FOR {provider} ON {object} IS {text}")
    }
}

/// A setting that a session in the database begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Only for sessions of this role.
    pub role: Option<String>,
    pub name: String,
    /// As the server keeps it: of a list, the text with each element quoted where needed.
    pub value: String,
}

/// A role that owns something in a database, or may do something there. Without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    /// Whether it owns anything there.
    pub owns: bool,
    pub inherits: bool,
    pub creates_roles: bool,
    pub creates_databases: bool,
    pub can_login: bool,
    /// -1 for none.
    pub connection_limit: i32,
    pub valid_until: Option<String>,
    pub comment: Option<String>,
    /// The others of the list that it is a member of.
    pub member_of: Vec<Membership>,
    #[serde(default)]
    pub labels: Vec<Label>,
    /// `ALTER ROLE … SET` for all databases: name, and value as in [`Setting`].
    #[serde(default)]
    pub settings: Vec<(String, String)>,
}

/// What a role may do by being a member of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub role: String,
    pub admin: bool,
    /// `WITH INHERIT`; none of a server before 16, where the member's attribute decides.
    #[serde(default)]
    pub inherit: Option<bool>,
    /// `WITH SET`; none of a server before 16, where every member may.
    #[serde(default)]
    pub set: Option<bool>,
}

impl Membership {
    /// From this version of the server on each says by itself what comes with it, and who makes a role has none of it.
    pub const OPTIONS_SINCE: u32 = 160_000;

    /// Takes in another one of the same two roles: what either allows is allowed.
    pub fn widen(&mut self, other: &Self) {
        self.admin |= other.admin;
        self.inherit = self.inherit.max(other.inherit);
        self.set = self.set.max(other.set);
    }
}

/// An extension as a database has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub name: String,
    pub version: String,
    pub schema: String,
}
