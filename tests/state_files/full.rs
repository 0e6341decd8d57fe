//! A disk that is full before there is anything on it.

use crate::support::{
    Databases, Disk, assert_equal, assert_nothing_left, start_recv, start_send, start_side,
};

const DATA: &str = "CREATE TABLE a (i int); INSERT INTO a SELECT generate_series(1, 100);";
const SAYS: [&str; 3] = ["cannot write", "make room there", "No space left on device"];

/// As where a server cannot be reached: there is nothing yet to go on with. Nothing is in the way of
/// the next start.
#[test]
fn a_first_start_on_a_full_disk_ends_with_1() {
    let dbs = Databases::new("full_first", DATA);
    let mount = |side: &str| Disk::mount(dbs.path(&format!("{side}.state")));
    let sides = ["send", "recv", "clone"];
    let disks: Vec<_> = sides.into_iter().filter_map(mount).collect();
    if disks.len() < sides.len() {
        return;
    }
    for (side, disk) in sides.into_iter().zip(&disks) {
        disk.fill();
        let end = start_side(&dbs, side, &[], &[]).wait();
        end.must_end(1);
        for word in SAYS {
            assert!(end.stderr.contains(word), "{word:?}: {}", end.output());
        }
        assert!(!end.stderr.contains("goes on"), "{}", end.output());
        disk.make_room();
    }
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &[]));
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}
