//! What the target's server says of itself and of the role that restores.

use std::collections::{BTreeMap, BTreeSet};

use crate::pg::{Client, PgError};

const ROLE: &str = include_str!("role.sql");
const ROLES: &str = include_str!("roles.sql");
const EXTENSIONS: &str = include_str!("extensions.sql");

/// Everything that decides what will be refused, as far as it is known beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) is_superuser: bool,
    pub(super) creates_roles: bool,
    pub(super) creates_databases: bool,
    /// Of the target database.
    pub(super) owner: String,
    /// `server_version_num`.
    pub(super) version: u32,
    /// By name: whether objects can be given to it.
    pub(super) roles: BTreeMap<String, bool>,
    pub(super) extensions: BTreeMap<String, Available>,
    /// Settings that need a superuser.
    pub(super) guarded: BTreeSet<String>,
}

/// An extension that the server's host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Available {
    /// That is there, or would come.
    pub(super) version: String,
    /// Where it is there already.
    pub(super) schema: Option<String>,
    /// Who may create something in the database may create it.
    pub(super) is_trusted: bool,
}

impl Facts {
    pub(super) fn read(client: &mut Client) -> Result<Self, PgError> {
        let version = client.server_version();
        let role = &client.query(ROLE)?[0];
        Ok(Self {
            is_superuser: role.bool(0)?,
            creates_roles: role.bool(1)?,
            creates_databases: role.bool(2)?,
            owner: role.text(3)?.to_owned(),
            version,
            roles: roles(client, version)?,
            extensions: extensions(client, version)?,
            guarded: guarded(client)?,
        })
    }
}

/// From 16 on membership alone does not let one give objects away.
fn roles(client: &mut Client, version: u32) -> Result<BTreeMap<String, bool>, PgError> {
    let right = if version >= 160_000 {
        "'SET'"
    } else {
        "'MEMBER'"
    };
    let rows = client.query(&ROLES.replace(":right", right))?;
    rows.iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.bool(1)?)))
        .collect()
}

/// Trusted extensions came with 13.
fn extensions(client: &mut Client, version: u32) -> Result<BTreeMap<String, Available>, PgError> {
    let trusted = match version {
        130_000.. => {
            "EXISTS (SELECT FROM pg_available_extension_versions v \
             WHERE v.name = a.name AND v.version = a.default_version AND v.trusted)"
        }
        _ => "false",
    };
    let rows = client.query(&EXTENSIONS.replace(":trusted", trusted))?;
    rows.iter()
        .map(|row| {
            let available = Available {
                version: row.text(1)?.to_owned(),
                schema: row.get(2).map(str::to_owned),
                is_trusted: row.bool(3)?,
            };
            Ok((row.text(0)?.to_owned(), available))
        })
        .collect()
}

fn guarded(client: &mut Client) -> Result<BTreeSet<String>, PgError> {
    let sql = "SELECT name FROM pg_settings WHERE context LIKE 'superuser%'";
    let rows = client.query(sql)?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_owned))
        .collect()
}
