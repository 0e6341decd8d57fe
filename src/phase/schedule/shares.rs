//! How many processes of the server may help with an index build, where fewer builds are left than may
//! run side by side.

/// As many as may build side by side, and who does.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    jobs: usize,
    running: Vec<Build>,
    /// How many have ended.
    ended: usize,
}

#[derive(Debug, Clone)]
struct Build {
    node: usize,
    bytes: u64,
    /// How many had ended when it began.
    after: usize,
    helpers: usize,
    /// One that began when no fewer had ended, of a table that is not much smaller, has ended: this one will
    /// soon. Where it does not, there are more processes for a while than may run side by side.
    is_ending: bool,
}

impl Build {
    fn is_ending_too(&self, ended: &Self) -> bool {
        self.after <= ended.after && self.bytes / 2 <= ended.bytes
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Shares {
    pub(super) fn new(jobs: usize) -> Self {
        Self {
            jobs,
            running: Vec::new(),
            ended: 0,
        }
    }

    /// A build begins, of a node whose table has so many bytes. How many may help with it; none unless
    /// `is_tail`, when no more builds will come than stand in the queue (bytes, largest first).
    pub(super) fn begin(
        &mut self,
        node: usize,
        bytes: u64,
        is_tail: bool,
        queue: impl Iterator<Item = u64>,
    ) -> usize {
        let helpers = match is_tail {
            true => self.helpers(queue.take(self.jobs).filter(|&b| b >= bytes / 8).count()),
            false => 0,
        };
        self.running.push(Build {
            node,
            bytes,
            after: self.ended,
            helpers,
            is_ending: false,
        });
        helpers
    }

    /// An equal share of what neither those who build nor those who wait will take.
    fn helpers(&self, waiting: usize) -> usize {
        let at_work = self.running.iter().filter(|b| !b.is_ending);
        let taken: usize = at_work.map(|b| 1 + b.helpers).sum();
        let free = self.jobs.saturating_sub(taken + waiting + 1);
        free.div_ceil(waiting + 1)
    }

    /// It runs no more; whether it was built. What has not begun is ignored.
    pub(super) fn end(&mut self, node: usize, is_done: bool) {
        let Some(place) = self.running.iter().position(|b| b.node == node) else {
            return;
        };
        let ended = self.running.swap_remove(place);
        if is_done {
            for build in &mut self.running {
                build.is_ending |= build.is_ending_too(&ended);
            }
            self.ended += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 1000;

    /// Builds of one size begin as others end, the oldest first.
    fn helpers(jobs: usize, builds: usize) -> Vec<usize> {
        let mut shares = Shares::new(jobs);
        let mut helpers = Vec::new();
        for node in 0..builds {
            if node >= jobs {
                shares.end(node - jobs, true);
            }
            let queue = std::iter::repeat_n(BYTES, builds - node - 1);
            helpers.push(shares.begin(node, BYTES, true, queue));
        }
        helpers
    }

    #[test]
    fn what_is_left_over_is_shared() {
        assert_eq!(helpers(1, 2), [0, 0]);
        assert_eq!(helpers(2, 1), [1]);
        assert_eq!(helpers(2, 2), [0, 0]);
        assert_eq!(helpers(8, 3), [2, 2, 1]);
        assert_eq!(helpers(8, 5), [1, 1, 1, 0, 0]);
    }

    /// Those that began together end together: the last one will be alone.
    #[test]
    fn the_last_one_has_what_those_that_end_leave() {
        assert_eq!(helpers(2, 3), [0, 0, 1]);
        assert_eq!(helpers(8, 9), [0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(helpers(8, 10)[8..], [3, 3]);
        assert_eq!(helpers(2, 4), [0, 0, 0, 0]);
    }

    #[test]
    fn nothing_is_shared_while_more_may_come() {
        let mut shares = Shares::new(8);
        assert_eq!(shares.begin(0, BYTES, false, std::iter::empty()), 0);
        assert_eq!(shares.begin(1, BYTES, true, std::iter::empty()), 6);
    }

    #[test]
    fn what_is_small_beside_it_does_not_count() {
        let mut shares = Shares::new(4);
        assert_eq!(shares.begin(0, BYTES, true, [BYTES / 9; 5].into_iter()), 3);
        let mut shares = Shares::new(4);
        assert_eq!(shares.begin(0, BYTES, true, [BYTES / 8; 5].into_iter()), 0);
    }

    /// A small one that ends says nothing about a large one, nor does one that was given back.
    #[test]
    fn an_end_tells_of_its_like_alone() {
        for (bytes, is_done) in [(BYTES / 3, true), (BYTES, false)] {
            let mut shares = Shares::new(2);
            let _ = shares.begin(0, BYTES, true, [bytes].into_iter());
            let _ = shares.begin(1, bytes, true, [BYTES].into_iter());
            shares.end(1, is_done);
            assert_eq!(shares.begin(2, BYTES, true, std::iter::empty()), 0);
        }
    }
}
