//! One number, `--memory`, turned into every size that bounds a process.

const MIB: u64 = 1 << 20;

/// The raw bytes of a block; large enough for the codec, small enough to have six per worker.
pub const BLOCK_BYTES: usize = 1 << 20;

/// The least `--memory` that leaves room for a worker and its windows.
pub const MIN_MEMORY: u64 = 64 * MIB;

/// Beyond this a server gains nothing, and a peer's wish stays a small number.
pub const MAX_JOBS: usize = 64;

/// Code, tokio, TLS and the allocator before the first worker starts.
const PROCESS_BASE: u64 = 20 * MIB;
/// Raw blocks of a worker: one being filled, one being read from, two on the way.
const RAW_BUFFERS: usize = 4;
/// Encoded blocks of a worker: one being written, one on the way.
const ENCODED_BUFFERS: usize = 2;
/// What a worker keeps to find the fields of a block and to turn them into columns, or back: index,
/// values, streams. Reckoned: 24 bytes for each row of a narrow table's block, and the block once more.
const COLUMNS_SCRATCH: u64 = 4 * MIB;
/// The dictionaries of a worker's columns: 8 MiB by the block format's rule (`docs/block.md`), and half as
/// much for what buffers grow ahead, for finding entries and for learning what predicts them.
const DICTIONARIES: u64 = 12 * MIB;
/// No level gains by a larger zstd window what it costs.
const MAX_WINDOW_LOG: u32 = 22;
/// zstd's own for level 1.
const MIN_WINDOW_LOG: u32 = 19;
/// Covers 1 Gbit/s at 130 ms for one stream.
const MAX_STREAM_WINDOW: u64 = 16 * MIB;
const MIN_STREAM_WINDOW: u64 = MIB;
/// Kept for QUIC before the codec's window grows: 200 Mbit/s at 300 ms.
const MIN_CONNECTION_WINDOW: u64 = 8 * MIB;

/// Every size that follows from `--memory`, the number of jobs and the compression level.
///
/// [`Self::resident_bytes`] stays within the memory it was derived from; the 64 MiB that a process
/// may need beyond it are for what cannot be counted here (allocator, page cache of the binary).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Workers at the same time; at most what was asked for.
    pub jobs: usize,
    /// The highest compression level a worker may use; at most what was asked for.
    pub max_level: i32,
    /// The zstd window, as a power of two.
    pub window_log: u32,
    /// Raw blocks of [`BLOCK_BYTES`] that a worker owns.
    pub raw_buffers: usize,
    /// What a peer may send on one stream before it is read.
    pub stream_window: u32,
    /// What a peer may send on all streams before it is read.
    pub connection_window: u32,
    /// What we may have sent and keep until it is acknowledged, all streams together.
    pub send_window: u64,
    /// Why there are fewer jobs or a lower level than asked for, in one line.
    pub reduced: Option<String>,
}

impl Budget {
    /// Derives the sizes from `memory` bytes (at least [`MIN_MEMORY`] is assumed), the wanted
    /// number of workers and the highest compression level they may use.
    ///
    /// Jobs give way before the level does, as a level is chosen by hand for a slow link where
    /// one worker already fills it; the window gives way before both.
    pub fn derive(memory: u64, jobs: usize, max_level: i32) -> Self {
        let room = memory.max(MIN_MEMORY) - PROCESS_BASE;
        let wanted = jobs.clamp(1, MAX_JOBS);
        let level = (1..=max_level.clamp(1, 19))
            .rev()
            .find(|level| minimum(1, *level) <= room)
            .unwrap_or(1);
        let jobs = (1..=wanted)
            .rev()
            .find(|jobs| minimum(*jobs, level) <= room)
            .unwrap_or(1);
        let reduced = reason(memory, (wanted, jobs), (max_level, level));
        Self::sized(room, jobs, level, reduced)
    }

    fn sized(room: u64, jobs: usize, level: i32, reduced: Option<String>) -> Self {
        let window_log = (MIN_WINDOW_LOG..=MAX_WINDOW_LOG)
            .rev()
            .find(|log| workers(jobs, *log, level) + connection_minimum(jobs) <= room)
            .unwrap_or(MIN_WINDOW_LOG);
        let left = room.saturating_sub(workers(jobs, window_log, level));
        let stream_window =
            (left / jobs as u64).clamp(MIN_STREAM_WINDOW, MAX_STREAM_WINDOW) / MIB * MIB;
        let connection_window = (stream_window * jobs as u64).min(u64::from(u32::MAX));
        Self {
            jobs,
            max_level: level,
            window_log,
            raw_buffers: RAW_BUFFERS,
            stream_window: narrow(stream_window),
            connection_window: narrow(connection_window),
            send_window: connection_window,
            reduced,
        }
    }

    /// The budget both sides can afford: the fewer jobs and the smaller codec window of the two.
    ///
    /// QUIC windows stay as they are, since each side only bounds what it holds itself.
    pub fn agree(&self, peer_jobs: usize, peer_window_log: u32) -> Self {
        Self {
            jobs: self.jobs.min(peer_jobs.max(1)),
            window_log: self.window_log.min(peer_window_log),
            ..self.clone()
        }
    }

    /// What the process holds at most, in bytes: rows flow one way, so of the two windows only
    /// the larger counts.
    pub fn resident_bytes(&self) -> u64 {
        let windows = self.send_window.max(u64::from(self.connection_window));
        PROCESS_BASE + workers(self.jobs, self.window_log, self.max_level) + windows
    }
}

/// The least that `jobs` workers need beside the process itself.
fn minimum(jobs: usize, level: i32) -> u64 {
    workers(jobs, MIN_WINDOW_LOG, level) + connection_minimum(jobs)
}

fn connection_minimum(jobs: usize) -> u64 {
    MIN_CONNECTION_WINDOW.max(jobs as u64 * MIN_STREAM_WINDOW)
}

fn workers(jobs: usize, window_log: u32, level: i32) -> u64 {
    let buffers = (RAW_BUFFERS + ENCODED_BUFFERS) as u64 * BLOCK_BYTES as u64;
    let columns = COLUMNS_SCRATCH + DICTIONARIES;
    jobs as u64 * (buffers + columns + (1 << window_log) + codec_tables(level))
}

/// What a zstd compression context takes beside its window: its tables and work space.
///
/// From the table and chain sizes in zstd's `clevels.h`; a test holds real contexts against it.
fn codec_tables(level: i32) -> u64 {
    let mib = match level {
        ..=3 => 4,
        4..=6 => 8,
        7..=8 => 12,
        9 => 20,
        10..=11 => 36,
        12..=14 => 64,
        15..=18 => 76,
        _ => 96,
    };
    mib * MIB
}

fn reason(memory: u64, jobs: (usize, usize), level: (i32, i32)) -> Option<String> {
    let mib = memory / MIB;
    match (jobs.0 > jobs.1, level.0 > level.1) {
        (_, true) => Some(format!(
            "compression level {} needs more than --memory {mib}MiB: level {} and {} job(s) are used",
            level.0, level.1, jobs.1
        )),
        (true, false) => Some(format!(
            "{} jobs need more than --memory {mib}MiB: {} are used",
            jobs.0, jobs.1
        )),
        (false, false) => None,
    }
}

fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

    use super::*;

    #[test]
    fn nothing_exceeds_the_memory_it_came_from() {
        for mib in [64, 65, 100, 256, 300, 1024, 8192] {
            for jobs in [1, 2, 3, 4, 7, 16, 64, 1000] {
                for level in 1..=19 {
                    let budget = Budget::derive(mib * MIB, jobs, level);
                    let resident = budget.resident_bytes();
                    assert!(resident <= mib * MIB, "{mib} MiB, {jobs} jobs: {budget:?}");
                    assert!(budget.jobs >= 1 && budget.jobs <= jobs);
                    assert!(u64::from(budget.stream_window) >= MIN_STREAM_WINDOW);
                    assert!(budget.connection_window >= budget.stream_window);
                }
            }
        }
    }

    #[test]
    fn the_default_gives_four_jobs_the_full_windows() {
        let budget = Budget::derive(256 * MIB, 4, 3);
        assert_eq!(budget.window_log, MAX_WINDOW_LOG);
        assert_eq!(u64::from(budget.stream_window), MAX_STREAM_WINDOW);
        assert_eq!(budget.reduced, None);
    }

    #[test]
    fn too_many_jobs_are_capped_and_it_is_said() {
        let budget = Budget::derive(64 * MIB, 16, 1);
        assert_eq!(budget.jobs, 1);
        let reason = budget.reduced.unwrap();
        assert_eq!(reason, "16 jobs need more than --memory 64MiB: 1 are used");
    }

    #[test]
    fn a_level_too_high_for_the_memory_is_lowered_and_it_is_said() {
        let budget = Budget::derive(64 * MIB, 2, 19);
        assert_eq!((budget.jobs, budget.max_level), (1, 8));
        assert!(budget.reduced.unwrap().contains("level 19"));
    }

    #[test]
    fn both_sides_take_what_both_can_afford() {
        let agreed = Budget::derive(256 * MIB, 4, 3).agree(2, 21);
        assert_eq!((agreed.jobs, agreed.window_log), (2, 21));
    }

    #[test]
    fn zstd_contexts_stay_within_their_share() {
        for level in [1, 3, 6, 8, 9, 11, 12, 14, 15, 16, 18, 19] {
            let bytes = context_bytes(level, 22);
            let share = (1 << 22) + codec_tables(level);
            assert!(bytes <= share, "level {level}: {bytes} > {share}");
        }
    }

    fn context_bytes(level: i32, window_log: u32) -> u64 {
        let mut context = CCtx::create();
        let parameters = [
            CParameter::CompressionLevel(level),
            CParameter::WindowLog(window_log),
        ];
        for parameter in parameters {
            context.set_parameter(parameter).unwrap();
        }
        let mut out = vec![0; 1 << 16];
        let mut output = OutBuffer::around(&mut out);
        let mut input = InBuffer::around(b"a row");
        context.compress_stream(&mut output, &mut input).unwrap();
        context.sizeof() as u64
    }
}
