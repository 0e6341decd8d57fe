//! Proving that one holds the pairing code, to this peer, on this connection, in this role.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use serde::{Deserialize, Serialize};

use super::PairCode;
use crate::wire::Role;

const CONTEXT: &[u8] = b"pgpipe pairing v1";

/// The SHA-256 of a certificate in DER: what a side is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub fn of_certificate(der: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, der);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// An HMAC under the pairing code; tells nothing about the code, which has 160 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof(pub [u8; 32]);

/// What a proof is about. Role and both certificates are in it, so that a proof cannot be sent back
/// to its maker; the exporter ties it to one TLS connection, so that it cannot be passed on.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub role: Role,
    pub exporter: [u8; 32],
    pub prover: Fingerprint,
    pub verifier: Fingerprint,
}

impl Statement {
    /// HMAC-SHA256(code, context | role | exporter | prover | verifier); each part of fixed length.
    pub fn prove(&self, code: &PairCode) -> Proof {
        let tag = hmac::sign(&key(code), &self.bytes());
        Proof(tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes"))
    }

    /// Whether the prover holds `code`; takes the same time wherever a difference is.
    pub fn is_proved_by(&self, proof: &Proof, code: &PairCode) -> bool {
        hmac::verify(&key(code), &self.bytes(), &proof.0).is_ok()
    }

    fn bytes(&self) -> Vec<u8> {
        let role = match self.role {
            Role::Send => [b's'],
            Role::Recv => [b'r'],
        };
        [
            CONTEXT,
            &role,
            &self.exporter,
            &self.prover.0,
            &self.verifier.0,
        ]
        .concat()
    }
}

fn key(code: &PairCode) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, code.secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            role: Role::Send,
            exporter: [1; 32],
            prover: Fingerprint([2; 32]),
            verifier: Fingerprint([3; 32]),
        }
    }

    #[test]
    fn a_proof_holds_for_its_own_statement_only() {
        let code = PairCode::generate();
        let said = statement();
        let proof = said.prove(&code);
        assert!(said.is_proved_by(&proof, &code));
        assert!(!said.is_proved_by(&proof, &PairCode::generate()));

        let mut others = [said; 4];
        others[0].role = Role::Recv;
        others[1].exporter[31] ^= 1;
        others[2].prover = Fingerprint([4; 32]);
        others[3].verifier = Fingerprint([4; 32]);
        assert!(others.iter().all(|o| !o.is_proved_by(&proof, &code)));
    }

    #[test]
    fn a_proof_cannot_be_reflected() {
        let code = PairCode::generate();
        let said = statement();
        let reflected = Statement {
            role: Role::Recv,
            prover: said.verifier,
            verifier: said.prover,
            ..said
        };
        assert!(!reflected.is_proved_by(&said.prove(&code), &code));
    }
}
