//! Materialized views are refreshed side by side, and each after those that it reads.

use super::scene::Origin;

#[test]
fn views_that_do_not_read_one_another_are_refreshed_side_by_side() {
    let sql = include_str!("databases/side_by_side.sql");
    let origin = Origin::new("side_by_side", sql);
    // One more than meet: it may be waiting for one of them, for the view that reads both.
    origin.moves("side_by_side", &[], &["--index-jobs", "3"]);
}
