//! What the server has sent and nobody has taken yet.

/// Enough for catalog queries.
const SMALL: usize = 16 << 10;
/// A COPY wakes up seldom and takes much: 256 KiB is what a Unix socket holds by default, and more.
const LARGE: usize = 256 << 10;

/// A buffer filled by reads at its end and emptied at its start.
pub(super) struct Inbox {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            buf: vec![0; SMALL],
            start: 0,
            end: 0,
        }
    }

    /// Makes room for the reads of a COPY.
    pub(super) fn enlarge(&mut self) {
        if self.buf.len() < LARGE {
            self.buf.resize(LARGE, 0);
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            // one huge row must not hold its memory for the connection's life
            if self.buf.len() > LARGE {
                self.buf.truncate(LARGE);
                self.buf.shrink_to_fit();
            }
        }
    }

    /// Room for the next read. Grows only as bytes really arrive, whatever length a header claims.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buf.len() {
            self.buf.resize(self.buf.len() * 2, 0);
        }
        &mut self.buf[self.end..]
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.buf.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(inbox: &mut Inbox, bytes: &[u8]) {
        for part in bytes.chunks(SMALL) {
            let mut rest = part;
            while !rest.is_empty() {
                let space = inbox.space();
                let count = space.len().min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                inbox.filled(count);
                rest = &rest[count..];
            }
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut inbox = Inbox::new();
        receive(&mut inbox, b"abcdef");
        inbox.consume(2);
        receive(&mut inbox, b"gh");
        assert_eq!(inbox.bytes(), b"cdefgh");
        inbox.consume(6);
        assert_eq!(inbox.bytes(), b"");
    }

    #[test]
    fn it_grows_for_what_arrives_and_shrinks_after() {
        let mut inbox = Inbox::new();
        let large = vec![7; 3 * LARGE];
        receive(&mut inbox, &large);
        assert_eq!(inbox.bytes(), large);
        inbox.consume(large.len());
        assert_eq!(inbox.buf.len(), LARGE);
    }
}
