//! TLS to the server: which certificates we trust, our own, and what the channel binding is made of.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion};

use super::conninfo::{Roots, SslMode, TlsSettings, TlsVersion};
use super::error::TlsError;

mod certificate;
mod verifier;

pub(super) use certificate::end_point_hash;
use verifier::Verifier;

/// What a TLS client needs, made once per connection attempt.
pub(super) fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new(
        trusted(&settings.roots)?,
        settings.mode == SslMode::VerifyFull,
        provider.signature_verification_algorithms,
    );
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings)?)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = with_client_certificate(builder, settings)?;
    config.enable_sni = settings.sni;
    Ok(Arc::new(config))
}

/// The name that the certificate must carry; where it is not checked, any name that rustls accepts.
pub(super) fn server_name(
    name: &str,
    address: std::net::IpAddr,
    mode: SslMode,
) -> Result<ServerName<'static>, TlsError> {
    match ServerName::try_from(name.to_owned()) {
        Ok(name) => Ok(name),
        Err(_) if mode < SslMode::VerifyFull => Ok(ServerName::from(address)),
        Err(_) => Err(TlsError::Name {
            name: name.to_owned(),
        }),
    }
}

fn versions(settings: &TlsSettings) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let both = [
        (TlsVersion::Tls12, &rustls::version::TLS12),
        (TlsVersion::Tls13, &rustls::version::TLS13),
    ];
    let wanted = |version: TlsVersion| match version {
        TlsVersion::Tls12 => settings.min_version == TlsVersion::Tls12,
        TlsVersion::Tls13 => settings.max_version == TlsVersion::Tls13,
    };
    let chosen: Vec<_> = both
        .into_iter()
        .filter(|(version, _)| wanted(*version))
        .map(|(_, supported)| supported)
        .collect();
    if chosen.is_empty() {
        return Err(TlsError::Versions);
    }
    Ok(chosen)
}

/// The trust anchors, and the same certificates as they are; `None`: the chain is not checked.
fn trusted(roots: &Roots) -> Result<Option<verifier::Trusted>, TlsError> {
    let certificates = match roots {
        Roots::Unchecked => return Ok(None),
        Roots::File(path) => read_certificates("root certificate", path)?,
        Roots::System => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    match (added, roots) {
        (0, Roots::System) => Err(TlsError::NoSystemRoots),
        (0, Roots::File(path)) => Err(TlsError::Empty {
            what: "root certificate",
            path: path.clone(),
        }),
        _ => Ok(Some(verifier::Trusted {
            store,
            certificates,
        })),
    }
}

fn with_client_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    settings: &TlsSettings,
) -> Result<ClientConfig, TlsError> {
    let Some(cert) = &settings.cert else {
        return Ok(builder.with_no_client_auth());
    };
    let no_key = || TlsError::NoKey { path: cert.clone() };
    let key = settings.key.as_ref().ok_or_else(no_key)?;
    let chain = read_certificates("client certificate", cert)?;
    Ok(builder.with_client_auth_cert(chain, read_key(key)?)?)
}

fn read_certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = path.to_owned();
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&path).and_then(|certificates| certificates.collect());
    match read {
        Ok(list) if list.is_empty() => Err(TlsError::Empty { what, path }),
        Ok(list) => Ok(list),
        Err(source) => Err(TlsError::File { what, path, source }),
    }
}

fn read_key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, TlsError> {
    if fs::metadata(path).is_ok_and(|metadata| others_may_read(metadata.mode(), metadata.uid())) {
        return Err(TlsError::KeyMode { path: path.clone() });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::File {
        what: "private key",
        path: path.clone(),
        source,
    })
}

/// libpq's rule: a key of root's may be group-readable, any other is its owner's alone.
fn others_may_read(mode: u32, owner: u32) -> bool {
    let forbidden = if owner == 0 { 0o027 } else { 0o077 };
    mode & forbidden != 0
}
