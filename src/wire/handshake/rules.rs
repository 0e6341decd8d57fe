//! Whom a side lets in. The same rules on either side, whoever dials.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Fingerprint, PairCode, Proof, Statement};
use crate::wire::Role;

/// What a side knows before it meets its peer.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub role: Role,
    /// The certificate this side is paired with.
    pub pinned: Option<Fingerprint>,
    pub code: Option<PairCode>,
    /// After this the code pairs nobody new. Known to recv, which makes the codes.
    pub code_expires_at: Option<SystemTime>,
}

/// What became of a peer's proof when it was held against our code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The peer sent none, or we have no code to check it with.
    Nothing,
    Wrong,
    Proved,
}

/// A peer that is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its certificate is the pinned one.
    Known,
    /// It proved the code first: its certificate is to be pinned.
    Pin,
}

/// Why a peer is not let in; travels in the `Refusal` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    WrongCode,
    /// The code is right, but somebody else was paired with it.
    CodeUsed,
    CodeExpired,
    /// Paired with another certificate, and no valid proof.
    UnknownCertificate,
    /// Neither a pin nor a proof that could be checked.
    NotPaired,
    /// `ours` is the refusing side's.
    Version {
        ours: u16,
        theirs: u16,
    },
    SameRole,
}

impl Credentials {
    /// Holds a peer's proof against our code.
    pub fn check(&self, proof: Option<&Proof>, statement: &Statement) -> Claim {
        match (proof, &self.code) {
            (Some(proof), Some(code)) if statement.is_proved_by(proof, code) => Claim::Proved,
            (Some(_), Some(_)) => Claim::Wrong,
            _ => Claim::Nothing,
        }
    }

    /// Whether a peer with this certificate and claim is let in.
    pub fn judge(
        &self,
        peer: Fingerprint,
        claim: Claim,
        now: SystemTime,
    ) -> Result<Verdict, Refusal> {
        match (self.pinned, claim) {
            (Some(pinned), _) if pinned == peer => Ok(Verdict::Known),
            (Some(_), Claim::Proved) => Err(Refusal::CodeUsed),
            (Some(_), _) => Err(Refusal::UnknownCertificate),
            (None, Claim::Nothing) => Err(Refusal::NotPaired),
            (None, Claim::Wrong) => Err(Refusal::WrongCode),
            (None, Claim::Proved) if self.expired(now) => Err(Refusal::CodeExpired),
            (None, Claim::Proved) => Ok(Verdict::Pin),
        }
    }

    /// Whether this side could let in this peer only by a code that has expired: then it must not
    /// even prove it, or the other side would pin a peer that does not pin it.
    pub fn needs_expired_code(&self, now: SystemTime) -> bool {
        self.pinned.is_none() && self.code.is_some() && self.expired(now)
    }

    fn expired(&self, now: SystemTime) -> bool {
        self.code_expires_at.is_some_and(|end| end <= now)
    }
}

impl Refusal {
    /// The reason in one line with what to do next, as said by `refuser`.
    pub fn explain(self, refuser: Role) -> impl fmt::Display {
        Explained {
            refusal: self,
            refuser: refuser.as_str(),
            refused: refuser.peer().as_str(),
        }
    }
}

struct Explained {
    refusal: Refusal,
    refuser: &'static str,
    refused: &'static str,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            refuser, refused, ..
        } = self;
        match self.refusal {
            Refusal::WrongCode => f.write_str(
                "the pairing code is wrong; give send the code that recv shows, \
                 or both the same --pair-file",
            ),
            Refusal::CodeUsed => write!(
                f,
                "the pairing code is already used by another {refused}; go on with that one, \
                 or start recv with a new --migration and pair again with its code"
            ),
            Refusal::CodeExpired => f.write_str(
                "the pairing code has expired; start recv again and give send its new code",
            ),
            Refusal::UnknownCertificate => write!(
                f,
                "{refuser} is paired with another {refused}; start {refused} with the --state \
                 and --migration it was paired with, or pair anew under a new --migration"
            ),
            Refusal::NotPaired => write!(
                f,
                "{refuser} is not paired with this {refused} yet; give send the code that recv \
                 shows, or both the same --pair-file"
            ),
            Refusal::Version { ours, theirs } => write!(
                f,
                "{refuser} speaks protocol version {ours}, {refused} speaks {theirs}; \
                 install the same pgpipe on both hosts"
            ),
            Refusal::SameRole => write!(
                f,
                "both sides are {refuser}; start {refused} on one of the two hosts"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PEER: Fingerprint = Fingerprint([1; 32]);
    const OTHER: Fingerprint = Fingerprint([2; 32]);
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn credentials(pinned: Option<Fingerprint>) -> Credentials {
        Credentials {
            role: Role::Recv,
            pinned,
            code: Some(PairCode::generate()),
            code_expires_at: Some(NOW + Duration::from_secs(1)),
        }
    }

    #[test]
    fn a_pinned_peer_needs_no_code_not_even_a_fresh_one() {
        let late = NOW + Duration::from_secs(9);
        for claim in [Claim::Nothing, Claim::Wrong, Claim::Proved] {
            let verdict = credentials(Some(PEER)).judge(PEER, claim, late);
            assert_eq!(verdict, Ok(Verdict::Known));
        }
    }

    #[test]
    fn a_stranger_never_displaces_the_pinned_peer() {
        let paired = credentials(Some(OTHER));
        let judge = |claim| paired.judge(PEER, claim, NOW);
        assert_eq!(judge(Claim::Proved), Err(Refusal::CodeUsed));
        assert_eq!(judge(Claim::Wrong), Err(Refusal::UnknownCertificate));
        assert_eq!(judge(Claim::Nothing), Err(Refusal::UnknownCertificate));
    }

    #[test]
    fn a_newcomer_needs_the_code_in_time() {
        let fresh = credentials(None);
        let judge = |claim, now| fresh.judge(PEER, claim, now);
        assert_eq!(judge(Claim::Proved, NOW), Ok(Verdict::Pin));
        assert_eq!(judge(Claim::Wrong, NOW), Err(Refusal::WrongCode));
        assert_eq!(judge(Claim::Nothing, NOW), Err(Refusal::NotPaired));
        let end = NOW + Duration::from_secs(1);
        assert_eq!(judge(Claim::Proved, end), Err(Refusal::CodeExpired));
        assert!(fresh.needs_expired_code(end) && !fresh.needs_expired_code(NOW));
    }

    #[test]
    fn every_reason_says_what_to_do() {
        let all = [
            Refusal::WrongCode,
            Refusal::CodeUsed,
            Refusal::CodeExpired,
            Refusal::UnknownCertificate,
            Refusal::NotPaired,
            Refusal::Version { ours: 1, theirs: 2 },
            Refusal::SameRole,
        ];
        for refusal in all {
            let line = refusal.explain(Role::Recv).to_string();
            assert!(line.contains(';') && !line.contains('\n') && !line.contains("  "));
        }
    }
}
