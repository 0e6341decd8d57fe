//! Checks the server's certificate as far as `sslmode` asks.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate::public_key;

#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) store: RootCertStore,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
pub(super) struct Verifier {
    trusted: Option<Arc<Trusted>>,
    check_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(
        trusted: Option<Trusted>,
        check_name: bool,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self {
            trusted: trusted.map(Arc::new),
            check_name,
            algorithms,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let chain = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &trusted.store,
            intermediates,
            now,
            self.algorithms.all,
        );
        match chain {
            Err(error) if is_authority(&error) && trusted.certificates.contains(end_entity) => {}
            chain => chain?,
        }
        if self.check_name {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    /// Checked in every mode: channel binding means nothing if the peer need not own the key.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match (ParsedCertificate::try_from(cert), public_key(cert)) {
            // webpki reads X.509 version 3 only; `openssl x509 -req` long made version 1
            (Err(_), Some(key)) => {
                let key = SubjectPublicKeyInfoDer::from(key);
                verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
            }
            _ => verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// webpki refuses an authority's certificate as a server's own, and does so after it has checked the
/// dates; `openssl req -x509` makes such certificates, and PostgreSQL's manual tells to use it.
fn is_authority(error: &Error) -> bool {
    // webpki is not ours to name: its error is seen through rustls' only as text
    let debug = |other: &rustls::OtherError| format!("{other:?}").contains("CaUsedAsEndEntity");
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if debug(other))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn self_signed(is_ca: IsCa) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn verify(
        trusted: Option<&CertificateDer<'static>>,
        shown: &CertificateDer<'_>,
        name: &str,
    ) -> bool {
        let trusted = trusted.map(|root| {
            let mut store = RootCertStore::empty();
            store.add(root.clone()).unwrap();
            let certificates = vec![root.clone()];
            Trusted {
                store,
                certificates,
            }
        });
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let verifier = Verifier::new(trusted, true, provider.signature_verification_algorithms);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier
            .verify_server_cert(shown, &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn a_self_signed_certificate_is_its_own_root() {
        for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
            let own = self_signed(is_ca);
            assert!(verify(Some(&own), &own, "localhost"));
            assert!(!verify(Some(&own), &own, "example.org"));
            assert!(!verify(Some(&self_signed(is_ca)), &own, "localhost"));
            assert!(verify(None, &own, "example.org"));
        }
    }
}
