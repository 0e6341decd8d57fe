//! Security labels whose provider the target's server has not loaded.

use std::collections::BTreeSet;

use super::{ForesightError, SKIPPED};
use crate::pg::{Client, PgError};
use crate::phase::DumpId;
use crate::schema::database::Label;
use crate::sink::archive::label_providers;
use crate::sink::ddl::Schema;
use crate::wire::message::Offer;

/// Whose label is asked for: nobody can be called so, and no event trigger is told of a role's.
const NOBODY: &str = "ROLE \"none\"";

/// Labels of large objects are not known yet; what is refused of those is listed as it happens.
pub(super) fn lines(
    client: &mut Client,
    schema: &Schema,
    offer: &Offer,
) -> Result<Vec<String>, ForesightError> {
    let entries = schema.toc.entries.iter();
    let labels = entries.filter(|entry| entry.desc == "SECURITY LABEL");
    let ids: Vec<DumpId> = labels.map(|entry| entry.id).collect();
    let statements = schema.statements(&ids)?;
    let mut providers: BTreeSet<String> =
        statements.iter().flat_map(|s| label_providers(s)).collect();
    providers.extend(apart(offer).map(|label| label.provider.clone()));
    let mut lines = Vec::new();
    for provider in providers {
        if !is_loaded(client, &provider)? {
            lines.push(format!(
                "{SKIPPED}security labels of {provider}: the target's server has not loaded that provider (shared_preload_libraries)"
            ));
        }
    }
    Ok(lines)
}

/// Those that are not in the archive: of the database and of roles that are made.
fn apart(offer: &Offer) -> impl Iterator<Item = &Label> {
    let database = offer.database.iter().flat_map(|database| &database.labels);
    let made = offer.roles.iter().filter(|_| offer.make_roles);
    database.chain(made.flat_map(|role| &role.labels))
}

/// No catalog says it. The server looks for the provider first, and then for the role.
fn is_loaded(client: &mut Client, provider: &str) -> Result<bool, PgError> {
    let label = Label {
        provider: provider.to_owned(),
        text: String::new(),
    };
    match client.execute(&label.statement(NOBODY)) {
        Err(error) if error.sqlstate() == Some("22023") => Ok(false),
        Err(error) if error.is_passing() || error.sqlstate().is_none() => Err(error),
        _ => Ok(true),
    }
}
