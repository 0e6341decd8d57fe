//! What an index build has: memory, and processes that help.

/// More `maintenance_work_mem` gains an index build little.
pub const MAX_WORK_MEM_MIB: u64 = 1024;
/// The server's bound of its parallel settings (`postmaster/bgworker_internals.h`).
const MAX_PARALLEL_WORKER_LIMIT: usize = 1024;
/// What a B-tree is sorted in. A larger sort leaves the processor's caches: 31,000,000 uuids of 2,000 values
/// took 44 s with 64 MiB, 57 s with 256 MiB and 116 s with 1 GiB; as many bigints 20 s, 23 s and 23 s in the
/// table's order and 41 s, 45 s and 53 s in none.
const SORT_MIB: std::ops::RangeInclusive<u64> = 64..=256;
/// With less for each process the server lets fewer help (`plan_create_index_workers`).
const LEAST_SHARE_MIB: u64 = 32;
/// What the server keeps of each sorted run while it merges them, in KiB, and how many it merges at once
/// (`tuplesort_merge_order` since 15; a little less before).
const RUN_KIB: u64 = 272;
const MAX_RUNS: u64 = 500;

/// What index builds of a session may use, where that is planned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// `maintenance_work_mem` of a process.
    pub(super) mib: u64,
}

impl Memory {
    /// For all that the session does.
    pub(super) fn session_sql(self) -> String {
        set_sql("SET", self.mib, 0)
    }
}

/// The index that a task builds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Build {
    pub(super) memory: Memory,
    pub(super) is_b_tree: bool,
    /// Of its table.
    pub(super) bytes: u64,
    pub(super) helpers: usize,
}

impl Build {
    pub(super) fn is_helped(self) -> bool {
        self.helpers > 0
    }

    pub(super) fn alone(self) -> Self {
        Self { helpers: 0, ..self }
    }

    /// For its transaction. The server gives each process of a build an equal part of the memory; where
    /// no helper comes, one has all.
    pub(super) fn sql(self) -> String {
        let helpers = self.helpers.min(MAX_PARALLEL_WORKER_LIMIT);
        let processes = helpers as u64 + 1;
        let shares = self.memory.mib * processes;
        let mib = match self.is_b_tree {
            true => sort_mib(self.bytes, processes).min(shares),
            false => shares.min(MAX_WORK_MEM_MIB),
        };
        set_sql("SET LOCAL", mib, helpers)
    }
}

fn set_sql(set: &str, mib: u64, helpers: usize) -> String {
    format!(
        "{set} maintenance_work_mem = '{mib}MB'; {set} max_parallel_maintenance_workers = {helpers}"
    )
}

/// About as little as the rows of such a table can be sorted in with one merge by each process: runs of
/// its memory's length that are few enough for it. Larger ones are merged twice, which "can be faster"
/// (MAXORDER in `tuplesort.c`).
fn sort_mib(bytes: u64, processes: u64) -> u64 {
    let kib = bytes / 1024 / processes;
    let run_kib = kib.saturating_mul(RUN_KIB).isqrt().max(kib / MAX_RUNS);
    let mib = (run_kib / 1024 + 1) * processes;
    let sort = mib.clamp(*SORT_MIB.start(), *SORT_MIB.end());
    match processes {
        1 => sort,
        _ => sort.max(LEAST_SHARE_MIB * processes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_has_what_it_can_be_merged_with_at_once() {
        let alone = |bytes| sort_mib(bytes, 1);
        assert_eq!([0, 5 << 30, 15 << 30].map(alone), [64; 3]);
        assert_eq!([60 << 30, 100 << 30].map(alone), [128, 205]);
        assert_eq!([1 << 40, u64::MAX].map(alone), [256; 2]);
    }

    #[test]
    fn each_process_sorts_its_part() {
        let helped = |processes| sort_mib(20 << 30, processes);
        assert_eq!([1, 2, 4].map(helped), [74, 106, 148]);
        assert_eq!([2, 8].map(|processes| sort_mib(0, processes)), [64, 256]);
        assert_eq!(sort_mib(u64::MAX, 16), 512);
    }

    fn sql(mib: u64, is_b_tree: bool, helpers: usize) -> String {
        let build = Build {
            memory: Memory { mib },
            is_b_tree,
            bytes: 1 << 40,
            helpers,
        };
        build.sql()
    }

    fn set_local(mib: u64, helpers: usize) -> String {
        format!(
            "SET LOCAL maintenance_work_mem = '{mib}MB'; SET LOCAL max_parallel_maintenance_workers = {helpers}"
        )
    }

    #[test]
    fn other_access_methods_have_their_share() {
        assert_eq!(sql(400, false, 0), set_local(400, 0));
        assert_eq!(sql(400, false, 1), set_local(800, 1));
        assert_eq!(sql(400, false, 2), set_local(MAX_WORK_MEM_MIB, 2));
    }

    #[test]
    fn a_sort_keeps_to_its_share() {
        assert_eq!(sql(400, true, 0), set_local(256, 0));
        assert_eq!(sql(70, true, 0), set_local(70, 0));
        assert_eq!(sql(70, true, 1), set_local(140, 1));
        assert_eq!(sql(400, true, 5000), set_local(32 * 1025, 1024));
    }
}
