//! What a process may use and how its threads live: the memory budget, reusable buffers, workers.

mod budget;
mod buffers;
mod workers;

pub use budget::{BLOCK_BYTES, Budget, MAX_JOBS, MIN_MEMORY};
pub use buffers::{Buffer, Pool};
pub use workers::{WorkerError, Workers};
