//! Measures the contenders over one shape, in turn, on one core.

use std::io::{self, Write};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::contenders::Contender;
use crate::shapes::table::Block;

/// What one contender made of one shape; times are medians.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) raw_bytes: usize,
    pub(crate) encoded_bytes: usize,
    pub(crate) encode_s: f64,
    pub(crate) decode_s: f64,
}

impl Figures {
    pub(crate) fn ratio(&self) -> f64 {
        self.raw_bytes as f64 / self.encoded_bytes as f64
    }

    pub(crate) fn encode_mb_s(&self) -> f64 {
        self.raw_bytes as f64 / self.encode_s / 1e6
    }

    pub(crate) fn decode_mb_s(&self) -> f64 {
        self.raw_bytes as f64 / self.decode_s / 1e6
    }
}

/// Figures of each contender over the same blocks.
///
/// Every repeat goes through all of them, so that what disturbs the machine for a while disturbs all.
pub(crate) fn race(
    contenders: &mut [Box<dyn Contender>],
    data: &[u8],
    blocks: &[Block<'_>],
    runs: usize,
) -> Vec<Figures> {
    let check = |contender: &mut Box<dyn Contender>| check(contender.as_mut(), data, blocks);
    let streams: Vec<_> = contenders.iter_mut().map(check).collect();
    let mut times = vec![(Vec::new(), Vec::new()); contenders.len()];
    for _ in 0..runs {
        for ((contender, stream), times) in contenders.iter_mut().zip(&streams).zip(&mut times) {
            times
                .0
                .push(cpu_s(|| contender.encode(blocks, &mut io::sink())));
            times
                .1
                .push(cpu_s(|| contender.decode(stream, &mut io::sink())));
        }
    }
    let all = contenders.iter().zip(streams).zip(times);
    let figures = all.map(|((contender, stream), (encode, decode))| Figures {
        name: contender.name(),
        raw_bytes: data.len(),
        encoded_bytes: stream.len(),
        encode_s: median(encode),
        decode_s: median(decode),
    });
    figures.collect()
}

/// The contender's stream, which decodes to the data. Warms its buffers.
fn check(contender: &mut dyn Contender, data: &[u8], blocks: &[Block<'_>]) -> Vec<u8> {
    let mut stream = Vec::new();
    contender.encode(blocks, &mut stream);
    let mut same = Same(data);
    contender.decode(&stream, &mut same);
    assert!(same.0.is_empty(), "{} loses the end", contender.name());
    stream
}

/// Takes exactly these bytes.
struct Same<'a>(&'a [u8]);

impl Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = self.0.strip_prefix(bytes);
        self.0 = rest.ok_or_else(|| io::Error::other("other bytes than were encoded"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Processor time of this thread: what others do to the core in between does not count.
fn cpu_s(work: impl FnOnce()) -> f64 {
    let start = thread_time();
    work();
    (thread_time() - start).as_secs_f64()
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("processor time is not negative")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    match times.len() % 2 {
        0 => f64::midpoint(times[middle - 1], times[middle]),
        _ => times[middle],
    }
}

/// Stays on the last core that this process may use; `taskset` chooses another.
pub(crate) fn pin() -> rustix::io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu));
    let mut one = CpuSet::new();
    one.set(last.unwrap_or_default());
    sched_setaffinity(None, &one)
}
