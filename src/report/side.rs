//! What each side measures of itself, and how two sides become one report.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use serde::{Deserialize, Serialize};

use super::contract::{ObjectError, PhaseTime, Report, Skipped, TableReport};
use super::latency::{Latencies, Quantiles, Stage};
use crate::wire::Role;

/// The tick of `/proc/*/stat`: Linux shows 100 per second on every architecture we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used; travels to the peer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SideStats {
    /// User and system time of this process, without its children.
    pub cpu_seconds: f64,
    pub peak_rss_bytes: u64,
    /// What its socket sent.
    pub udp_bytes: u64,
    pub latency: BTreeMap<Stage, Quantiles>,
}

impl SideStats {
    /// Measures the calling process; what a system without `/proc` does not tell stays 0.
    pub fn measure(udp_bytes: u64, latencies: &Latencies) -> Self {
        let proc = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).ok();
        Self {
            cpu_seconds: proc("stat").and_then(|s| cpu_seconds(&s)).unwrap_or(0.0),
            peak_rss_bytes: proc("status").and_then(|s| peak_rss(&s)).unwrap_or(0),
            udp_bytes,
            latency: latencies.quantiles(),
        }
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, counted after the command name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS_PER_SECOND)
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kib * 1024)
}

/// One side's share of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideReport {
    pub role: Role,
    pub tables: Vec<TableReport>,
    pub phases: Vec<PhaseTime>,
    pub skipped: Vec<Skipped>,
    pub errors: Vec<ObjectError>,
    pub stats: SideStats,
}

impl SideReport {
    pub fn new(role: Role, stats: SideStats) -> Self {
        Self {
            role,
            tables: Vec::new(),
            phases: Vec::new(),
            skipped: Vec::new(),
            errors: Vec::new(),
            stats,
        }
    }
}

impl Report {
    /// Takes over a side's share and sums the tables up again.
    ///
    /// Of a table both sides speak of, recv's line stands, since the journal is the truth about
    /// what arrived; its time is the longer of the two. Phases and errors are told once.
    pub fn absorb(&mut self, side: SideReport) {
        self.absorb_stats(side.role, side.stats);
        self.absorb_tables(side.role, side.tables);
        for phase in side.phases {
            match self.phases.iter_mut().find(|p| p.name == phase.name) {
                Some(known) => known.seconds = known.seconds.max(phase.seconds),
                None => self.phases.push(phase),
            }
        }
        append_new(&mut self.skipped, side.skipped);
        append_new(&mut self.errors, side.errors);
    }

    fn absorb_stats(&mut self, role: Role, stats: SideStats) {
        let totals = &mut self.totals;
        match role {
            Role::Send => {
                totals.cpu_seconds_send = stats.cpu_seconds;
                totals.peak_rss_send = stats.peak_rss_bytes;
                totals.udp_bytes = stats.udp_bytes;
            }
            Role::Recv => {
                totals.cpu_seconds_recv = stats.cpu_seconds;
                totals.peak_rss_recv = stats.peak_rss_bytes;
            }
        }
        self.latency.extend(stats.latency);
    }

    fn absorb_tables(&mut self, role: Role, tables: Vec<TableReport>) {
        let names = self.tables.iter().map(|t| t.name.clone());
        let places: HashMap<String, usize> = names.zip(0..).collect();
        for table in tables {
            let Some(known) = places.get(&table.name).map(|at| &mut self.tables[*at]) else {
                self.tables.push(table);
                continue;
            };
            let seconds = known.seconds.max(table.seconds);
            if role == Role::Recv {
                *known = table;
            }
            known.seconds = seconds;
        }
        self.sum_tables();
    }

    fn sum_tables(&mut self) {
        let sum = |of: fn(&TableReport) -> u64| self.tables.iter().map(of).sum();
        self.totals.rows = sum(|t| t.rows);
        self.totals.raw_bytes = sum(|t| t.raw_bytes);
        self.totals.wire_bytes = sum(|t| t.wire_bytes);
    }
}

fn append_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::contract::tests::sample;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let latencies = Latencies::new();
        latencies.record(Stage::Write, Duration::from_millis(2));
        let stats = SideStats::measure(7, &latencies);
        assert!(stats.peak_rss_bytes > 1 << 20, "{stats:?}");
        assert!(stats.cpu_seconds >= 0.0);
        assert_eq!(stats.udp_bytes, 7);
        assert!(stats.latency.contains_key(&Stage::Write));
    }

    #[test]
    fn proc_is_read_past_a_hostile_name() {
        let stat = "1 (a) b (c) R 1 1 1 0 -1 0 0 0 0 0 150 50 9 9 20";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        let status = "Name:\tx\nVmHWM:\t  2048 kB\n";
        assert_eq!(peak_rss(status), Some(2 << 20));
    }

    #[test]
    fn two_sides_become_one_report() {
        let mut report = sample();
        let errors = report.errors.clone();
        let mut send = SideReport::new(Role::Send, stats(1.5, 9));
        send.phases.push(phase("data", 2.0));
        let mut recv = SideReport::new(Role::Recv, stats(2.5, 4));
        recv.phases = vec![phase("data", 3.0), phase("finish", 1.0)];
        recv.errors = errors;
        recv.tables.push(TableReport {
            rows: 5,
            ..report.tables[0].clone()
        });
        report.absorb(send);
        report.absorb(recv);
        assert_eq!(report.totals.rows, 5);
        assert_eq!(report.totals.udp_bytes, 9);
        assert_eq!(report.totals.cpu_seconds_recv, 2.5);
        assert_eq!(report.phases, [phase("data", 3.0), phase("finish", 1.0)]);
        assert_eq!(report.errors.len(), 1);
    }

    #[test]
    fn a_side_travels_by_postcard() {
        let side = SideReport::new(Role::Recv, stats(1.0, 2));
        let bytes = postcard::to_stdvec(&side).unwrap();
        assert_eq!(postcard::from_bytes::<SideReport>(&bytes).unwrap(), side);
    }

    fn stats(cpu_seconds: f64, udp_bytes: u64) -> SideStats {
        SideStats {
            cpu_seconds,
            udp_bytes,
            latency: BTreeMap::from([(Stage::Send, Quantiles::default())]),
            ..SideStats::default()
        }
    }

    fn phase(name: &str, seconds: f64) -> PhaseTime {
        PhaseTime {
            name: name.to_owned(),
            seconds,
        }
    }
}
