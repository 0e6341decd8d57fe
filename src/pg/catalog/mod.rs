//! What both ends read of a server's catalog and hold against one another: types, and where
//! partitions belong.

mod partitions;
mod types;

pub use partitions::{ancestors, with_ancestors};
pub use types::Types;
