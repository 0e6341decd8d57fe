//! Who a side is: a key of its own and a self-signed certificate, made once per state directory.

use std::fmt;

use aws_lc_rs::hmac;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::state::{StateDir, StateError};
use crate::wire::handshake::Fingerprint;

const FILE: &str = "identity";
/// The name in the certificate and in TLS's SNI. It means nothing: the pin is what counts.
pub(super) const NAME: &str = "pgpipe";

/// A self-signed certificate (ECDSA P-256) and its private key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    #[error("cannot make a certificate")]
    Generate { source: rcgen::Error },
    #[error(transparent)]
    State(#[from] StateError),
}

/// The state file `identity`: certificate and key in one, so that a crash leaves both or neither.
#[derive(Serialize, Deserialize)]
struct Stored {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    /// A new identity, valid for ever: peers pin the certificate, nobody looks at its dates.
    pub fn generate() -> Result<Self, IdentityError> {
        let make = || {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new([NAME.to_owned()])?;
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, NAME);
            let certificate = params.self_signed(&key)?;
            Ok(Self {
                certificate: certificate.der().clone(),
                key: key.serialize_der().into(),
            })
        };
        make().map_err(|source| IdentityError::Generate { source })
    }

    /// The identity in the state directory; a new one, saved, if there is none.
    pub fn load_or_create(state: &StateDir) -> Result<Self, IdentityError> {
        if let Some(stored) = state.read::<Stored>(FILE)? {
            return Ok(Self {
                certificate: stored.certificate.into(),
                key: stored.key.into(),
            });
        }
        let new = Self::generate()?;
        let stored = Stored {
            certificate: new.certificate.to_vec(),
            key: new.key.secret_pkcs8_der().to_vec(),
        };
        state.write(FILE, &stored)?;
        Ok(new)
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_certificate(&self.certificate)
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }

    /// A secret for one purpose, the same in every process that has this identity.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.secret_pkcs8_der());
        let tag = hmac::sign(&key, purpose.as_bytes());
        tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Role;

    #[test]
    fn an_identity_stays_the_same_over_restarts() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Send).unwrap();
        let first = Identity::load_or_create(&state).unwrap();
        let second = Identity::load_or_create(&state).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_eq!(first.derive("a"), second.derive("a"));
        assert_ne!(first.derive("a"), first.derive("b"));
        let other = Identity::generate().unwrap();
        assert_ne!(first.fingerprint(), other.fingerprint());
    }

    #[test]
    fn debug_tells_no_key() {
        let identity = Identity::generate().unwrap();
        let text = format!("{identity:?}");
        assert!(text.contains("fingerprint") && !text.contains("key"));
    }
}
