//! Ends a connection from another thread.

use super::stream::Handle;

/// A second handle on a client's socket. `Send` and `Sync`.
pub struct Closer(Handle);

impl Closer {
    pub(super) fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Shuts the socket down: reads and writes that block on it return with an error, and the server
    /// rolls back when it next looks at its end.
    pub fn close(&self) {
        self.0.shutdown();
    }
}
