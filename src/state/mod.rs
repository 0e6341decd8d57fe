//! What survives a restart: one locked directory per migration and role.
//!
//! ```text
//! <root>/<migration>/<role>/       0700, one process at a time
//!     lock                         flock; holds the process id, for the error message
//!     <file>                       0600, replaced whole: temporary file, fsync, rename, fsync
//! ```
//!
//! What others could read is closed to them at `open`; what they could write is refused, and where
//! they could put another in the directory's place is told.

mod aborted;
mod directory;
mod envelope;
mod error;
pub mod pairfile;
mod pairing;
mod privacy;
mod root;
mod standing;

pub use aborted::{ABORTED, Aborted};
pub use directory::{StateDir, glance};
pub use error::StateError;
pub use pairing::PairingState;
pub use root::default_root;
pub use standing::{PlanFigures, Standing};
