//! recv's pairing code, kept so that a restarted recv admits with the same one.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError};
use crate::wire::handshake::PairCode;

const FILE: &str = "pairing";

/// A pairing code with its times, as it stands in the state directory's file `pairing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingState {
    pub code: PairCode,
    pub created: SystemTime,
    pub expires: SystemTime,
    /// Somebody was paired with it; it goes on proving us to that peer, but pairs nobody new.
    pub used: bool,
}

impl PairingState {
    pub fn new(code: PairCode, now: SystemTime, lifetime: Duration) -> Self {
        Self {
            code,
            created: now,
            expires: now + lifetime,
            used: false,
        }
    }

    pub fn load(state: &StateDir) -> Result<Option<Self>, StateError> {
        state.read(FILE)
    }

    pub fn save(&self, state: &StateDir) -> Result<(), StateError> {
        state.write(FILE, self)
    }

    /// The code to admit with, saved: `given` (a pair file's content) if there is one, else the
    /// saved one if it is used or still good, else a new one.
    ///
    /// A given code that is the saved one keeps its times: a restart does not prolong it.
    pub fn load_or_create(
        state: &StateDir,
        given: Option<PairCode>,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Self, StateError> {
        if let Some(saved) = Self::load(state)?
            && saved.serves(given.as_ref(), now)
        {
            return Ok(saved);
        }
        let fresh = Self::new(given.unwrap_or_else(PairCode::generate), now, lifetime);
        fresh.save(state)?;
        Ok(fresh)
    }

    /// Notes in the state directory, if it has a code, that somebody was paired with it.
    pub fn mark_used(state: &StateDir) -> Result<(), StateError> {
        match Self::load(state)? {
            Some(saved) if !saved.used => Self {
                used: true,
                ..saved
            }
            .save(state),
            _ => Ok(()),
        }
    }

    fn serves(&self, given: Option<&PairCode>, now: SystemTime) -> bool {
        match given {
            Some(given) => *given == self.code,
            None => self.used || now < self.expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Role;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(second: u64) -> SystemTime {
        NOW + Duration::from_secs(second)
    }

    fn load(state: &StateDir, given: Option<PairCode>, second: u64) -> PairingState {
        let lifetime = Duration::from_secs(100);
        PairingState::load_or_create(state, given, at(second), lifetime).unwrap()
    }

    #[test]
    fn a_restart_keeps_a_good_code_and_replaces_an_expired_one() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Recv).unwrap();
        let first = load(&state, None, 0);
        assert_eq!(load(&state, None, 99), first);
        let second = load(&state, None, 100);
        assert_ne!(second.code, first.code);
        assert_eq!(second.expires, at(200));
    }

    #[test]
    fn a_used_code_is_kept_for_its_peer() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Recv).unwrap();
        PairingState::mark_used(&state).unwrap();
        let first = load(&state, None, 0);
        PairingState::mark_used(&state).unwrap();
        let later = load(&state, None, 1000);
        assert_eq!(later.code, first.code);
        assert!(later.used && !first.used);
    }

    #[test]
    fn a_given_code_wins_but_is_not_prolonged() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Recv).unwrap();
        load(&state, None, 0);
        let given = PairCode::generate();
        assert_eq!(load(&state, Some(given.clone()), 10).code, given);
        assert_eq!(load(&state, Some(given), 90).expires, at(110));
    }
}
