//! A new snapshot for a migration that has lost its first one: the same plan over the same schema,
//! or none. What was committed is proved after it (`proof`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::SendError;
use super::files::{recorded_plan, write_plan};
use super::prepare::{Preparation, release_stale};
use super::record::{AGREED_PLAN, ARCHIVE, PLAN, Prepared, RENEWED_ARCHIVE, RENEWED_PLAN, Record};
use super::taking::Taken;
use crate::pg::Client;
use crate::report::one_line;
use crate::runtime::tools::Tools;
use crate::schema::{Oid, Table, first_few};
use crate::sink::archive::{Archive, RestoreOptions};
use crate::source::catalog::objects::LARGE_OBJECTS;
use crate::source::changes;
use crate::source::entry::Entry;
use crate::source::keeper::{Keeper, KeeperError};
use crate::state::StateDir;
use crate::wire::message::Offer;

/// Names of changed objects that are told.
const NAMES: usize = 5;
/// A keeper notices within two seconds that its session is gone.
const KEEPER_LIMIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
/// How an entry begins in what pg_restore prints.
const ENTRY: &str = "\n-- Name: ";

/// A snapshot that no record names yet: it is let go where none ever does, as after a panic.
struct Unrecorded(Option<Taken>);

impl Unrecorded {
    fn get(&self) -> &Taken {
        self.0.as_ref().expect("it is recorded once")
    }

    /// From here on it is somebody else's to let go.
    fn recorded(&mut self) -> Taken {
        self.0.take().expect("it is recorded once")
    }
}

impl Drop for Unrecorded {
    fn drop(&mut self) {
        if let Some(taken) = self.0.take() {
            taken.let_go();
        }
    }
}

impl Preparation {
    /// Takes a new snapshot, and records the same plan and archive in it; refuses where the schema
    /// is another one. Nothing is held on the source then.
    pub(super) fn renew(
        &self,
        state: &StateDir,
        record: Record,
    ) -> Result<(Record, Keeper), SendError> {
        // Says why a server cannot be reached, and whether that may pass; a keeper only says why.
        let mut client = self.connect()?;
        release_stale(state)?;
        self.meter.phase("snapshot");
        let early = changes::writes(&mut client)?;
        let taken = self
            .take(state.path(), &mut client)
            .map_err(|error| match error {
                KeeperError::Rewritten(_) => error.into(),
                _ => SendError::NoNewSnapshot(error),
            })?;
        let mut taken = Unrecorded(Some(taken));
        let renewed = self.renewed(state, &mut client, record, taken.get(), early);
        let _ = std::fs::remove_file(state.path().join(RENEWED_ARCHIVE));
        match renewed {
            Ok(record) => Ok((record, taken.recorded().keep(state.path(), client)?)),
            Err(error) if self.is_its_end(&error, state.path(), taken.get(), &client) => {
                drop(taken.recorded());
                let ended = KeeperError::Ended(one_line(&error));
                Err(SendError::NoNewSnapshot(ended))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the new snapshot has ended, and with it what was read in it.
    fn is_its_end(&self, error: &SendError, dir: &Path, taken: &Taken, client: &Client) -> bool {
        let read_in_it = matches!(
            error,
            SendError::Dump(_) | SendError::Postgres(_) | SendError::Elsewhere(_)
        );
        let has_ended = || match taken {
            Taken::Exported(_) => is_gone(dir),
            Taken::Here(_) => !client.is_usable(),
        };
        read_in_it && self.go_on().is_ok() && has_ended()
    }

    /// The plan is written before the record that names it, beside the one before.
    fn renewed(
        &self,
        state: &StateDir,
        client: &mut Client,
        mut record: Record,
        taken: &Taken,
        early: changes::Writes,
    ) -> Result<Record, SendError> {
        let old = record.prepared.take();
        let old = old.expect("only what was prepared is renewed").offer;
        let mut plan = recorded_plan(state, &old)?;
        keep_agreed(state)?;
        let choice = self.choose(client)?;
        let entry = taken.entry();
        let baseline = self.baseline(client, &entry, early, &choice)?;
        self.meter.phase("catalog");
        let mut read = self.read_catalog(client, &entry)?;
        let objects = self.read_objects(client, &entry)?;
        if plan.has_large_objects() || !objects.buckets.is_empty() {
            let table = Table::large_objects(LARGE_OBJECTS, 0);
            read.tables.push(table);
        }
        unchanged(&differing_tables(&plan.tables, &read.tables))?;
        self.require_same_schema(client, &entry, state.path(), &old)?;
        adopt_filenodes(&mut plan.tables, &read.tables);
        let offer = Offer {
            plan: write_plan(state, RENEWED_PLAN, &plan)?,
            snapshot: taken.snapshot().clone(),
            refresh: read.refresh,
            database: read.database,
            roles: read.roles,
            ..old
        };
        self.go_on()?;
        record.prepared = Some(Prepared {
            offer,
            baseline,
            left_behind: objects.left_behind,
            left_out: read.left_out,
            unused_renames: read.unused_renames,
        });
        record.save(state)?;
        Ok(record)
    }

    /// Holds the schema in the new snapshot against the archive, entry by entry.
    fn require_same_schema(
        &self,
        client: &mut Client,
        entry: &Entry,
        dir: &Path,
        old: &Offer,
    ) -> Result<(), SendError> {
        self.meter.phase("schema dump");
        self.dump(client, entry, dir, RENEWED_ARCHIVE)?;
        self.meter.phase("schema comparison");
        let before = self.printed(&dir.join(ARCHIVE), old)?;
        let now = self.printed(&dir.join(RENEWED_ARCHIVE), old)?;
        unchanged(&differing_entries(&before, &now))
    }

    /// An archive's SQL, without what tells when and by whom it was made.
    fn printed(&self, file: &Path, offer: &Offer) -> Result<String, SendError> {
        let major = self.pg_dump.major.max(offer.dump_major);
        let found = Tools::find(self.options.pg_bin.as_deref());
        let pg_restore = &found.pick_restore(major, major)?.path;
        Ok(Archive::open(pg_restore, file, RestoreOptions::default())?.whole_sql()?)
    }
}

/// Keeps the plan that the journal is of. Where it has been kept already, the one that is recorded is of
/// a snapshot that was lost before the journal came to it.
fn keep_agreed(state: &StateDir) -> Result<(), SendError> {
    if state.path().join(AGREED_PLAN).exists() {
        return Ok(());
    }
    let bytes = state.read_bytes(PLAN)?.unwrap_or_default();
    Ok(state.write_bytes(AGREED_PLAN, &bytes)?)
}

/// Whether the keeper has ended. It notices the end of its own session later than others do.
fn is_gone(dir: &Path) -> bool {
    let deadline = Instant::now() + KEEPER_LIMIT;
    loop {
        if Keeper::find(dir).is_none() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

fn unchanged(names: &[String]) -> Result<(), SendError> {
    match names.is_empty() {
        true => Ok(()),
        false => Err(SendError::SchemaChanged {
            what: first_few(names, NAMES, ", "),
        }),
    }
}

/// Each table that is not as it was, but for its rows, with what is different.
fn differing_tables(before: &[Table], now: &[Table]) -> Vec<String> {
    let by_oid = |tables: &[Table]| -> BTreeMap<Oid, Table> {
        tables.iter().map(|t| (t.oid, t.clone())).collect()
    };
    let (before, now) = (by_oid(before), by_oid(now));
    let oids: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let difference = |oid: &Oid| match (before.get(oid), now.get(oid)) {
        (Some(before), Some(now)) => {
            difference(before, now).map(|what| format!("table {} {what}", before.name))
        }
        (Some(gone), None) => Some(format!("table {} is gone", gone.name)),
        (None, Some(new)) => Some(format!("table {} is new", new.name)),
        (None, None) => None,
    };
    oids.into_iter().filter_map(difference).collect()
}

fn difference(before: &Table, now: &Table) -> Option<String> {
    if before.name != now.name {
        Some(format!("is {} now", now.name))
    } else if before.columns != now.columns {
        Some("has other columns".to_owned())
    } else if before.likeness != now.likeness {
        Some("has columns of other types, or is partitioned otherwise".to_owned())
    } else if before.persistence != now.persistence {
        Some("is logged or unlogged now".to_owned())
    } else if before.filter != now.filter {
        Some("is matched by other --where".to_owned())
    } else if before.likeness.is_some() {
        // The rest the target's tables have decided.
        None
    } else if before.format != now.format {
        Some("has columns of other types".to_owned())
    } else if before.through != now.through {
        Some("is partitioned otherwise".to_owned())
    } else {
        None
    }
}

/// Where the source keeps the rows now: the readers hold that against the table.
fn adopt_filenodes(plan: &mut [Table], now: &[Table]) {
    let filenodes: BTreeMap<_, _> = now.iter().map(|t| (t.oid, t.filenode)).collect();
    for table in plan {
        if let Some(filenode) = filenodes.get(&table.oid) {
            table.filenode = *filenode;
        }
    }
}

/// Each entry that only one of two schemas has just so.
fn differing_entries(before: &str, now: &str) -> Vec<String> {
    let (before, now) = (entries(before), entries(now));
    let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differing = names.into_iter().filter(|n| before.get(*n) != now.get(*n));
    differing.map(|name| entry_name(name)).collect()
}

/// The SQL of each entry by the comment above it; entries may share one.
fn entries(sql: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut entries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (number, piece) in sql.split(ENTRY).enumerate() {
        let (name, body) = match number {
            0 => ("", piece),
            _ => piece.split_once('\n').unwrap_or((piece, "")),
        };
        entries.entry(name).or_default().push(body);
    }
    entries
}

/// `Name; Type: TYPE; Schema: SCHEMA; Owner: OWNER` as people say it.
fn entry_name(comment: &str) -> String {
    let mut fields = comment.split("; ");
    let name = fields.next().unwrap_or_default();
    let mut field = |start| fields.find_map(|field| field.strip_prefix(start));
    let kind = field("Type: ").unwrap_or("settings").to_lowercase();
    match field("Schema: ") {
        Some(schema) if schema != "-" => format!("{kind} {schema}.{name}"),
        _ => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::table;

    #[test]
    fn tables_are_compared_by_all_but_their_rows() {
        let before = [table(1, 10), table(2, 10)];
        let moved = Table {
            filenode: Oid(77),
            bytes: 1,
            pages: 99,
            ..table(1, 10)
        };
        assert!(differing_tables(&before, &[moved.clone(), table(2, 10)]).is_empty());
        let wider = Table {
            columns: vec!["x".into(), "y".into()],
            ..table(2, 10)
        };
        let told = differing_tables(&before, &[wider, table(3, 1)]);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].ends_with("is gone"), "{told:?}");
        assert!(told[1].ends_with("has other columns"), "{told:?}");
        assert!(told[2].ends_with("is new"), "{told:?}");
        let mut plan = before;
        adopt_filenodes(&mut plan, &[moved]);
        assert_eq!(plan[0].filenode, Oid(77));
    }

    #[test]
    fn entries_are_compared_whatever_their_order() {
        let a = "\n--\n-- Name: a; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE s.a ();\n";
        let b = "\n--\n-- Name: b; Type: SCHEMA; Schema: -; Owner: o\n--\n\nCREATE SCHEMA b;\n";
        let (one, other) = (
            format!("{a}{b}"),
            format!("{a}{}", b.replace("SCHEMA b", "SCHEMA c")),
        );
        assert!(differing_entries(&one, &one).is_empty());
        assert_eq!(differing_entries(&one, &other), ["schema b"]);
        assert_eq!(differing_entries(b, &one), ["table s.a"]);
    }
}
