//! Clients that are not pgpipe, or mean harm. The listener shrugs and lets the right one in.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use pgpipe::transport::auth::{AuthError, Refusal, Terms, authenticate, authenticate_on, meet};
use pgpipe::transport::{Link, TransportError};
use pgpipe::wire::Role;
use pgpipe::wire::frame::FrameError;
use pgpipe::wire::handshake::{MessageError, PROTOCOL_VERSION, PairCode};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::party::{Party, met};

/// Believes anything: only the listener is under test here.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

enum Shows {
    Nothing,
    ItsCertificate,
    /// Somebody else's certificate, without the key for it.
    Stolen(Vec<u8>),
}

/// Signs with its own key under whatever certificate it was given.
#[derive(Debug)]
struct Fixed(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Fixed {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn raw_client(alpn: &[&[u8]], shows: Shows) -> quinn::Endpoint {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let own = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let certificate = match shows {
        Shows::Nothing => None,
        Shows::ItsCertificate => Some(own.cert.der().clone()),
        Shows::Stolen(der) => Some(der.into()),
    };
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(der) => {
            let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
            let pair = rustls::sign::CertifiedKey::new(vec![der], key);
            builder.with_client_cert_resolver(Arc::new(Fixed(Arc::new(pair))))
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let config = QuicClientConfig::try_from(config).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(config)));
    endpoint
}

/// How a raw client's connection ends when it only waits.
async fn fate(endpoint: &quinn::Endpoint, address: SocketAddr) -> quinn::ConnectionError {
    match endpoint.connect(address, "pgpipe").unwrap().await {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    }
}

/// A listener still does its work: the right peer pairs on it.
async fn still_serves(listener: Party, link: Link, code: &PairCode) {
    let send = Party::new(Role::Send, Some(code));
    let dialling = send.dial(&link).await;
    met(tokio::join!(send.join(dialling), listener.join(link)));
}

#[tokio::test]
async fn strangers_fail_before_anybody_sees_them() {
    let code = PairCode::generate();
    let recv = Party::new(Role::Recv, Some(&code));
    let link = recv.listen().await;
    let address = link.local_addr().unwrap();

    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0_usize, 1, 20, 100, 1200, 1400] {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 193 + 0xc0) as u8).collect();
        noise.send_to(&bytes, address).unwrap();
    }
    let victim = Party::new(Role::Send, None);
    let stolen: serde_json::Value =
        serde_json::from_slice(&victim.state.read_bytes("identity").unwrap().unwrap()).unwrap();
    let stolen = serde_json::from_value(stolen["body"]["certificate"].clone()).unwrap();
    let (no_application_protocol, certificate_required, decrypt_error) = (120, 116, 51);
    for (client, alert) in [
        (
            raw_client(&[], Shows::ItsCertificate),
            no_application_protocol,
        ),
        (
            raw_client(&[b"h3"], Shows::ItsCertificate),
            no_application_protocol,
        ),
        (
            raw_client(&[b"pgpipe"], Shows::Nothing),
            certificate_required,
        ),
        (
            raw_client(&[b"pgpipe"], Shows::Stolen(stolen)),
            decrypt_error,
        ),
    ] {
        let error = fate(&client, address).await;
        let quinn::ConnectionError::ConnectionClosed(close) = error else {
            panic!("{error}");
        };
        assert_eq!(u64::from(close.error_code), 0x100 + alert, "{close}");
    }
    // Nobody of them reached `connect`: the first to do so is the right one.
    still_serves(recv, link, &code).await;
}

#[tokio::test]
async fn one_that_says_nothing_runs_out_of_time() {
    let code = PairCode::generate();
    let recv = Party::new(Role::Recv, Some(&code));
    let link = recv.listen().await;
    let client = raw_client(&[b"pgpipe"], Shows::ItsCertificate);
    let address = link.local_addr().unwrap();
    let (fate, error) = tokio::join!(fate(&client, address), async {
        let conn = link.connect().await.unwrap();
        let terms = Terms {
            version: PROTOCOL_VERSION,
            limit: Duration::from_millis(300),
        };
        authenticate_on(&conn, false, &recv.creds, &recv.state, terms)
            .await
            .unwrap_err()
    });
    assert!(matches!(error, AuthError::TimedOut { .. }), "{error}");
    assert!(matches!(fate, quinn::ConnectionError::ApplicationClosed(_)));
    still_serves(recv, link, &code).await;
}

/// Sends `bytes` as a pgpipe client's first words; gives the listener's error.
async fn first_words(bytes: &[u8]) -> AuthError {
    let code = PairCode::generate();
    let recv = Party::new(Role::Recv, Some(&code));
    let link = recv.listen().await;
    let client = raw_client(&[b"pgpipe"], Shows::ItsCertificate);
    let address = link.local_addr().unwrap();
    let say = async {
        let connection = client.connect(address, "pgpipe").unwrap().await.unwrap();
        // A data stream before authentication is not to be had.
        let early = tokio::time::timeout(Duration::from_millis(50), connection.open_uni());
        assert!(early.await.is_err());
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        connection.closed().await
    };
    let hear = async {
        let conn = link.connect().await.unwrap();
        let error = authenticate(&conn, false, &recv.creds, &recv.state).await;
        error.unwrap_err()
    };
    let (_, error) = tokio::join!(say, hear);
    assert!(recv.state.read_bytes("peer").unwrap().is_none());
    still_serves(recv, link, &code).await;
    error
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes()[..], body].concat()
}

#[tokio::test]
async fn broken_first_frames_are_refused() {
    let version = u8::try_from(PROTOCOL_VERSION).unwrap();
    let hello_without_proof = [b"pgpipe", &[version, 0, 0, 0, 0][..]].concat();
    let error = first_words(&frame(&hello_without_proof)).await;
    assert_eq!(error.refusal(), Some(Refusal::NotPaired));

    let truncated = &frame(&hello_without_proof)[..12];
    let error = first_words(truncated).await;
    let frame_error = |error: AuthError| match error {
        AuthError::Protocol {
            source: Some(MessageError::Frame(e)),
            ..
        } => e,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        frame_error(error),
        FrameError::Truncated { bytes: 12 }
    ));

    let trailing = [&hello_without_proof[..], b"x"].concat();
    let error = frame_error(first_words(&frame(&trailing)).await);
    assert!(matches!(error, FrameError::Trailing { bytes: 1 }));

    let error = frame_error(first_words(&20_000_u32.to_le_bytes()).await);
    assert!(matches!(error, FrameError::TooLong { bytes: 20_000, .. }));
    let error = frame_error(first_words(&u32::MAX.to_le_bytes()).await);
    assert!(matches!(error, FrameError::TooLong { .. }));

    let error = first_words(&frame(b"GET / HTTP/1.1")).await;
    assert!(matches!(error, AuthError::NotPgpipe { .. }));
    let error = first_words(&frame(&[b"pgpipe", &[version, 0, 2][..]].concat())).await;
    assert!(matches!(error, AuthError::Protocol { source: None, .. }));
    let error = first_words(b"").await;
    assert!(matches!(
        error,
        AuthError::Transport {
            source: TransportError::ControlEnded,
            ..
        }
    ));
}

/// A stranger that says nothing has its 10 s, but not alone.
#[tokio::test]
async fn silent_strangers_do_not_keep_the_peer_waiting() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let recv = Party::new(Role::Recv, Some(&code));
    let link = recv.listen().await;
    let address = link.local_addr().unwrap();
    let client = raw_client(&[b"pgpipe"], Shows::ItsCertificate);
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push(client.connect(address, "pgpipe").unwrap().await.unwrap());
    }
    let wrong = Party::new(Role::Send, Some(&PairCode::generate()));
    let wrong_link = wrong.dial(&link).await;
    let dialling = send.dial(&link).await;

    let mut turned_away = Vec::new();
    let mut note = |error: AuthError| turned_away.push(error.refusal());
    let dial = async {
        let refused = meet(&wrong_link, &wrong.creds, &wrong.state, &mut drop).await;
        assert_eq!(refused.unwrap_err().refusal(), Some(Refusal::WrongCode));
        meet(&dialling, &send.creds, &send.state, &mut drop).await
    };
    let (s, r) = tokio::join!(dial, meet(&link, &recv.creds, &recv.state, &mut note));
    assert_eq!(s.unwrap().conn.peer(), recv.identity.fingerprint());
    assert_eq!(r.unwrap().conn.peer(), send.identity.fingerprint());
    // Had the silent ones been waited for, their time-outs would stand here. The refused one may,
    // unless the right peer came in before it had read its refusal.
    assert!(turned_away.iter().all(|r| *r == Some(Refusal::WrongCode)));
}
