//! TLS 1.3 between two self-signed certificates.
//!
//! There is no authority that could vouch for a name, so no chain, name or date is judged here. What
//! is judged for real is the handshake's signature: the peer holds the key of the certificate that
//! it shows. Whether that certificate is the right one is the pin check's business
//! ([`super::auth`]), which runs before anything the peer says is acted on.

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

use super::error::TransportError;
use super::identity::Identity;

const ALPN: &[u8] = b"pgpipe";
/// Ours have about 400 bytes; a bound keeps a stranger's out of the hash and the parser.
const CERTIFICATE_LIMIT: usize = 4096;

pub(super) fn client(identity: &Identity) -> Result<QuicClientConfig, TransportError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = || {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(KeyPossession::new(&provider))
            .with_client_auth_cert(identity.chain(), identity.key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Every connection shows its certificate anew: a ticket would stand in for it.
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    };
    let config = config().map_err(|source| TransportError::Tls { source })?;
    QuicClientConfig::try_from(config).map_err(no_initial_suite)
}

pub(super) fn server(identity: &Identity) -> Result<QuicServerConfig, TransportError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = || {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(KeyPossession::new(&provider))
            .with_single_cert(identity.chain(), identity.key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    };
    let config = config().map_err(|source| TransportError::Tls { source })?;
    QuicServerConfig::try_from(config).map_err(no_initial_suite)
}

/// QUIC needs TLS13_AES_128_GCM_SHA256, which aws-lc-rs has.
fn no_initial_suite(_: quinn::crypto::rustls::NoInitialCipherSuite) -> TransportError {
    TransportError::Tls {
        source: Error::General("no cipher suite for QUIC's first packets".to_owned()),
    }
}

/// Accepts any one certificate whose key the peer proves to hold.
#[derive(Debug)]
struct KeyPossession {
    provider: Arc<CryptoProvider>,
}

impl KeyPossession {
    fn new(provider: &Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self {
            provider: Arc::clone(provider),
        })
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The one certificate is all there is: a chain would be dead weight that nobody checks.
fn check_shape(
    certificate: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
) -> Result<(), Error> {
    if chain.is_empty() && certificate.len() <= CERTIFICATE_LIMIT {
        Ok(())
    } else {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }
}

fn no_tls12() -> Error {
    Error::General("TLS 1.2 is never spoken here".to_owned())
}

impl ServerCertVerifier for KeyPossession {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check_shape(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for KeyPossession {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check_shape(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
