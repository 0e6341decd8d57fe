//! Each pattern chooses here exactly what it chooses in pg_dump, or is refused by both.

use std::collections::BTreeSet;

use pgpipe::pg::{Client, ConnInfo, session};
use pgpipe::selection::{Pattern, Selection};
use pgpipe::source::choice::{self, ChoiceError};

use super::pg_dump;
use super::support::Databases;

/// Options as a user gives them; a group a line. (An open quote, which pg_dump lets pass, we refuse.)
const OPTIONS: &[&[&str]] = &[
    &["--schema=app"],
    &["--schema=APP"],
    &["--schema=\"App\""],
    &["--schema=app*"],
    &["--schema=app?"],
    &["--schema=\"a.b\""],
    &["--schema=x$y"],
    &["--schema=(app|public)"],
    &["--schema=app", "--schema=\"App\""],
    &["--exclude-schema=app"],
    &["--exclude-schema=*"],
    &["--schema=app", "--exclude-table=app.vm*"],
    &["--schema=app", "--exclude-schema=app"],
    &["--table=vm"],
    &["--table=vm*"],
    &["--table=*.vm"],
    &["--table=*.vm*"],
    &["--table=public.vm"],
    &["--table=PUBLIC.VM"],
    &["--table=\"VM\"*"],
    &["--table=\"VM_History\""],
    &["--table=public.a*b"],
    &["--table=public.\"a*b\""],
    &["--table=public.\"a.b\""],
    &["--table=\"a.b\".*"],
    &["--table=public.\"q\"\"q\""],
    &["--table=public.d$d"],
    &["--table=public.\"d$d\""],
    &["--table=public.Ärger"],
    &["--table=public.ärger"],
    &["--table=public.?rger"],
    &["--table=public.50%"],
    &["--table=public.\"back\\slash\""],
    &["--table=public.it's"],
    &["--table=public.[av]*"],
    &["--table=public.(vm|axb)"],
    &["--table=public.\\w+"],
    &["--table=public.vm_.+"],
    &["--table=public.*", "--exclude-table=public.vm*"],
    &["--table=public.*", "--exclude-table=*.*_*"],
    &["--table=app.vm", "--schema=public"],
    &["--table=app.vm", "--exclude-schema=app"],
    &["--table=app.vm_history", "--exclude-table=app.loose"],
    &["--table=app.seen"],
    &["--table=app.counter"],
    &["--table=public.vm_id_seq"],
    &["--table=app.vm_id_seq"],
    &["--table=kept*"],
    &["--table=events"],
    &["--table=*.events_*"],
    &["--exclude-table=*events"],
    &["--exclude-table=*.vm", "--exclude-schema=\"App\""],
    &["--table=nothing"],
    &["--schema=nothing"],
    &["--table=vm", "--table=nothing"],
    &["--table=.vm"],
    &["--table=public."],
    &["--table=public.(vm"],
];

/// Nothing is chosen where one of the two refuses.
type Relations = Option<BTreeSet<u32>>;

#[test]
fn patterns_choose_what_pg_dump_chooses() {
    let dbs = Databases::new("patterns", include_str!("nasty.sql"));
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut client = session::open(&info, "pgpipe test", "UTF8").unwrap();
    let own = "SELECT c.oid FROM pg_class c WHERE relkind IN ('r', 'S', 'v', 'm', 'f', 'p')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                        AND d.objid = c.oid AND d.deptype = 'e')";
    let rows = client.query(own).unwrap();
    let all: BTreeSet<u32> = rows.iter().map(|row| row.parse(0).unwrap()).collect();
    let mut differing = Vec::new();
    for options in OPTIONS {
        let (ours, theirs) = (
            chosen(&mut client, options, &all),
            dumped(&dbs, options, &all),
        );
        if ours != theirs {
            differing.push(format!("{options:?}: {ours:?}, pg_dump {theirs:?}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(
        OPTIONS
            .iter()
            .any(|o| dumped(&dbs, o, &all).is_some_and(|d| d.len() > 5))
    );
    // The session is as it was.
    let path = client.query("SHOW search_path").unwrap();
    assert_eq!(path[0].get(0), Some("\"\""));
}

fn chosen(client: &mut Client, options: &[&str], all: &BTreeSet<u32>) -> Relations {
    let selection = selection(options)?;
    match choice::require(client, &selection) {
        Ok(()) => {}
        Err(ChoiceError::Nothing { .. } | ChoiceError::Postgres(_)) => return None,
        Err(error) => panic!("{options:?}: {error}"),
    }
    let choice = choice::choose(client, &selection).unwrap();
    let oids = all.iter().copied();
    Some(
        oids.filter(|&oid| choice.has(pgpipe::schema::Oid(oid)))
            .collect(),
    )
}

fn selection(options: &[&str]) -> Option<Selection> {
    let mut selection = Selection::default();
    for option in options {
        let (option, pattern) = option.split_once('=').unwrap();
        let (list, parsed) = match option {
            "--schema" => (&mut selection.schemas, Pattern::schema(pattern)),
            "--exclude-schema" => (&mut selection.exclude_schemas, Pattern::schema(pattern)),
            "--table" => (&mut selection.tables, Pattern::table(pattern)),
            _ => (&mut selection.exclude_tables, Pattern::table(pattern)),
        };
        list.push(parsed.ok()?);
    }
    Some(selection)
}

/// By the OIDs in the archive's table of contents, as `N; 1259 OID TABLE …`.
fn dumped(dbs: &Databases, options: &[&str], all: &BTreeSet<u32>) -> Relations {
    let archive = dbs.path("patterns.dump").display().to_string();
    let file = format!("--file={archive}");
    let mut args = vec!["--schema-only", "--format=custom", "--strict-names", &file];
    args.extend(options);
    pg_dump(dbs.source(), dbs.name(), &args).ok()?;
    let listing = std::process::Command::new(dbs.source().programs().bin_dir().join("pg_restore"))
        .args(["--list", &archive])
        .output()
        .unwrap();
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let oid = |line: &str| {
        let mut words = line.split(' ').skip_while(|word| *word != "1259");
        words.nth(1)?.parse::<u32>().ok()
    };
    let oids = listing.lines().filter_map(oid);
    Some(oids.filter(|oid| all.contains(oid)).collect())
}
