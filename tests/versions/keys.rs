//! Which collations a refused key compares by, from servers whose catalogs tell it otherwise.

use super::matrix::{clients_for, there};
use super::support::{Databases, NEWEST, assert_nothing_left, migrate, server_of, target_of};

const KEYS: &str = include_str!("../migrate/keys.sql");
/// What the target has of the source's otherwise.
const CONTRARY: &str =
    "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)";
/// The oldest target.
const OLDEST: u32 = 12;

#[test]
#[ignore = "needs a server of every version: make test-versions"]
fn collations_of_refused_keys_are_told_by_each_target() {
    for major in OLDEST..=NEWEST {
        let (source, target) = (server_of(major), target_of(major));
        let (source, target) = (there(major, source), there(major, target));
        let name = format!("contrary_keys_{major}");
        let dbs = Databases::between(source, target, &name, KEYS);
        let fold = format!("ALTER DATABASE {name} SET pgpipe_test.fold = 'on'");
        dbs.target_sql(&format!("{CONTRARY}; {fold}"));
        let clients = clients_for(major);
        let bin = ["--pg-bin", clients.to_str().unwrap()];
        let (send, recv) = migrate(&dbs, &bin, &bin);
        send.must_end(4);
        recv.must_end(4);
        let version = "SELECT collversion FROM pg_collation WHERE collname = 'blind'";
        let version = dbs.target_sql(version);
        let errors = recv.report()["errors"].to_string();
        let blind = format!(
            "(icu und-u-ks-level1, not deterministic, version {})",
            version.trim()
        );
        for told in [
            format!("by public.blind of k {blind}"),
            format!("by public.blind {blind}"),
            "by the database's default of s (libc C, no version)".to_owned(),
        ] {
            assert!(errors.contains(&told), "{major}: {told}: {errors}");
        }
        assert_nothing_left(&dbs);
    }
}
