//! What a process may use and how its threads live: the memory budget, reusable buffers, workers,
//! and the programs of PostgreSQL that it runs.

mod brake;
mod budget;
mod buffers;
mod clock;
pub mod passing;
mod patience;
mod throttle;
pub mod tools;
mod workers;

pub use brake::{Brake, Slot};
pub use budget::{BLOCK_BYTES, Budget, MAX_JOBS, MIN_MEMORY};
pub use buffers::{Buffer, Pool};
pub use clock::{Clock, Stopped};
pub use patience::{Company, Patience};
pub use throttle::Throttle;
pub use workers::{Panicked, Workers, blocking, dispose, lock, panicked};
