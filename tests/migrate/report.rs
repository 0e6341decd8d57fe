//! The JSON report held against its contract and against the database it tells of.

use serde_json::Value;

use super::support::Databases;

const TOP: &str = "version migration source target snapshot tables totals phases latency skipped errors verified source_changed";
const TABLE: &str = "name rows raw_bytes wire_bytes chunks format digest seconds";
const TOTALS: &str = "rows raw_bytes wire_bytes udp_bytes seconds cpu_seconds_send cpu_seconds_recv peak_rss_send peak_rss_recv";

#[track_caller]
fn has(value: &Value, keys: &str) {
    for key in keys.split(' ') {
        assert!(value.get(key).is_some(), "{key} is missing in {value}");
    }
}

/// Every key that scripts may rely on, with values that can be true.
#[track_caller]
pub(crate) fn holds_the_contract(report: &Value) {
    has(report, TOP);
    has(&report["snapshot"], "time lsn");
    has(&report["totals"], TOTALS);
    assert_eq!(report["version"], 1);
    assert_eq!(report["verified"], "stream");
    assert_eq!(report["source_changed"], false);
    assert_eq!(report["errors"], Value::Array(vec![]));
    for table in report["tables"].as_array().unwrap() {
        has(table, TABLE);
        assert_eq!(table["digest"].as_str().unwrap().len(), 32, "{table}");
    }
    for phase in report["phases"].as_array().unwrap() {
        has(phase, "name seconds");
    }
    let latency = report["latency"].as_object().unwrap();
    assert!(!latency.is_empty());
    for stage in latency.values() {
        has(stage, "p50 p99 max");
    }
    sums_up(report);
}

#[track_caller]
fn sums_up(report: &Value) {
    let totals = &report["totals"];
    for column in ["rows", "raw_bytes", "wire_bytes"] {
        let tables = report["tables"].as_array().unwrap().iter();
        let sum: u64 = tables.map(|table| table[column].as_u64().unwrap()).sum();
        assert_eq!(totals[column], sum, "{column}");
    }
    for column in TOTALS.split(' ') {
        let value = totals[column].as_f64().unwrap();
        assert!(value > 0.0, "{column} is {value}");
    }
    let (wire, udp) = (&totals["wire_bytes"], &totals["udp_bytes"]);
    assert!(udp.as_u64() > wire.as_u64(), "{totals}");
}

/// Each table of the target has the rows that the report says, and each is told.
#[track_caller]
pub(crate) fn agrees_with_the_target(report: &Value, dbs: &Databases) {
    let counts = dbs.target_sql(include_str!("counts.sql"));
    let mut told = 0;
    for line in counts.lines() {
        let counted: (String, u64) = serde_json::from_str(line).unwrap();
        assert_eq!(table(report, &counted.0)["rows"], counted.1, "{line}");
        told += 1;
    }
    assert_eq!(report["tables"].as_array().unwrap().len(), told);
}

/// One table's part of the report.
#[track_caller]
pub(crate) fn table<'a>(report: &'a Value, name: &str) -> &'a Value {
    let tables = report["tables"].as_array().unwrap();
    let found = tables.iter().find(|table| table["name"] == name);
    found.unwrap_or_else(|| panic!("the report has no table {name}"))
}
