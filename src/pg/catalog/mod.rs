//! What both ends read of a server's catalog and hold against one another: types, where
//! partitions belong, and by what text is sorted.

mod locale;
mod partitions;
mod types;

pub use locale::locale;
pub use partitions::{ancestors, with_ancestors};
pub use types::Types;
