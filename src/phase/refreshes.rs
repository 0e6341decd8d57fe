//! Which materialized views may be refreshed now: a pure scheduler, side by side within what reads
//! what.
//!
//! A view that reads another one only through a function is not known to do so. Where the server
//! refuses it while others are not refreshed yet, it is tried again as long as that brings others on.

/// The views by their places in a list in which each comes after those that it reads.
#[derive(Debug)]
pub struct Refreshes {
    after: Vec<Vec<usize>>,
    states: Vec<State>,
    /// How many have been refreshed.
    refreshed: usize,
    /// The one whose refusal will be its last.
    last_try: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// Since so many were refreshed: more it may not see.
    Running(usize),
    /// Refused by what it saw when so many were refreshed.
    PutOff(usize),
    Settled,
}

impl Refreshes {
    /// `after` are the places of those that each view reads; such as do not come before it are
    /// left out, so that no circle can block the run.
    pub fn new(after: impl IntoIterator<Item = Vec<u32>>) -> Self {
        let after: Vec<Vec<usize>> = (0..)
            .zip(after)
            .map(|(place, after)| {
                let before = after.into_iter().map(|place| place as usize);
                before.filter(|&other| other < place).collect()
            })
            .collect();
        Self {
            states: vec![State::Waiting; after.len()],
            after,
            refreshed: 0,
            last_try: None,
        }
    }

    /// Claims a view; none until one that runs has ended, or if all are settled.
    pub fn next_view(&mut self) -> Option<usize> {
        let settled = |&place: &usize| self.states[place] == State::Settled;
        let ready = |&place: &usize| {
            self.states[place] == State::Waiting && self.after[place].iter().all(settled)
        };
        let found = (0..self.states.len()).find(ready);
        let place = found.or_else(|| self.take_put_off())?;
        self.states[place] = State::Running(self.refreshed);
        Some(place)
    }

    /// One of those that were put off, when nothing else can be done: such as have seen others come
    /// on since, or else the first, for the last time.
    fn take_put_off(&mut self) -> Option<usize> {
        let is_running = |state: &State| matches!(state, State::Running(_));
        if self.states.iter().any(is_running) {
            return None;
        }
        let find = |wanted: &dyn Fn(usize) -> bool| {
            let is_wanted = |state: &State| matches!(state, State::PutOff(seen) if wanted(*seen));
            self.states.iter().position(is_wanted)
        };
        let hopeful = find(&|seen| seen < self.refreshed);
        if hopeful.is_none() {
            self.last_try = find(&|_| true);
        }
        hopeful.or(self.last_try)
    }

    /// It is refreshed.
    pub fn refreshed(&mut self, place: usize) {
        self.states[place] = State::Settled;
        self.refreshed += 1;
    }

    /// The server has refused a view that [`Self::next_view`] gave. True: it will be tried again;
    /// else its refusal counts.
    pub fn refused(&mut self, place: usize) -> bool {
        let seen = match self.states[place] {
            State::Running(seen) => seen,
            _ => self.refreshed,
        };
        let is_open = |(other, state): (usize, &State)| other != place && *state != State::Settled;
        let may_differ = seen < self.refreshed || self.states.iter().enumerate().any(is_open);
        let again = self.last_try != Some(place) && may_differ;
        self.states[place] = match again {
            true => State::PutOff(seen),
            false => State::Settled,
        };
        again
    }

    /// A view that [`Self::next_view`] gave was not tried: it will be handed out again.
    pub fn give_back(&mut self, place: usize) {
        self.states[place] = match self.last_try {
            Some(last) if last == place => State::PutOff(self.refreshed),
            _ => State::Waiting,
        };
    }

    /// All are refreshed, or their refusals counted.
    pub fn are_settled(&self) -> bool {
        self.states.iter().all(|state| *state == State::Settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_nothing_of_one_another_runs_side_by_side() {
        let mut views = Refreshes::new([vec![], vec![0], vec![], vec![1, 2]]);
        assert_eq!([views.next_view(), views.next_view()], [Some(0), Some(2)]);
        assert_eq!(views.next_view(), None);
        views.refreshed(0);
        assert_eq!(views.next_view(), Some(1));
        views.refreshed(2);
        assert_eq!(views.next_view(), None);
        views.refreshed(1);
        assert_eq!(views.next_view(), Some(3));
        assert!(!views.are_settled());
        assert!(!views.refused(3));
        assert!(views.are_settled());
    }

    /// 0 reads 1, and 1 reads 2, both through functions.
    #[test]
    fn a_refused_view_is_tried_again_when_others_have_come_on() {
        let mut views = Refreshes::new([vec![], vec![], vec![]]);
        let mut tried = Vec::new();
        let mut there = [false; 3];
        while let Some(place) = views.next_view() {
            tried.push(place);
            there[place] = place == 2 || there[place + 1];
            match there[place] {
                true => views.refreshed(place),
                false => assert!(views.refused(place)),
            }
        }
        assert_eq!(tried, [0, 1, 2, 0, 1, 0]);
        assert!(views.are_settled());
    }

    /// The other was refreshed while it ran: it may not have seen that.
    #[test]
    fn a_view_that_ran_beside_what_it_reads_is_tried_again() {
        let mut views = Refreshes::new([vec![], vec![]]);
        assert_eq!([views.next_view(), views.next_view()], [Some(0), Some(1)]);
        views.refreshed(1);
        assert!(views.refused(0));
        assert_eq!(views.next_view(), Some(0));
        assert!(!views.refused(0), "nothing has come on since");
        assert!(views.are_settled());
    }

    #[test]
    fn what_is_always_refused_comes_to_an_end() {
        let mut views = Refreshes::new([vec![], vec![0], vec![]]);
        let mut counted = Vec::new();
        while let Some(place) = views.next_view() {
            if place == 2 {
                views.refreshed(2);
            } else if !views.refused(place) {
                counted.push(place);
            }
        }
        assert_eq!(counted, [0, 1]);
        assert!(views.are_settled());
    }

    #[test]
    fn a_circle_blocks_nothing() {
        let mut views = Refreshes::new([vec![1, 0, 7], vec![0]]);
        assert_eq!(views.next_view(), Some(0));
    }
    /// As by a builder that has found no connection for it.
    #[test]
    fn a_view_that_is_given_back_is_handed_out_again() {
        let mut views = Refreshes::new([vec![], vec![]]);
        assert_eq!(views.next_view(), Some(0));
        views.give_back(0);
        assert!(!views.are_settled());
        assert_eq!([views.next_view(), views.next_view()], [Some(0), Some(1)]);
        assert!(views.refused(0), "it was not its last try");
        views.refreshed(1);
        assert_eq!(views.next_view(), Some(0));
        views.refreshed(0);
        assert_eq!(views.next_view(), None);
        assert!(views.are_settled());
    }

    #[test]
    fn a_view_that_is_given_back_at_its_last_try_still_has_it() {
        let mut views = Refreshes::new([vec![], vec![]]);
        for place in [0, 1] {
            assert_eq!(views.next_view(), Some(place));
            assert!(views.refused(place));
        }
        assert_eq!(views.next_view(), Some(0), "for the last time");
        views.give_back(0);
        assert!(!views.are_settled());
        assert_eq!(views.next_view(), Some(0));
        assert!(!views.refused(0), "its last try");
        assert_eq!(views.next_view(), Some(1));
        views.give_back(1);
        assert_eq!(views.next_view(), Some(1));
        assert!(!views.refused(1));
        assert_eq!(views.next_view(), None);
        assert!(views.are_settled());
    }
}
