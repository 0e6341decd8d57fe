//! Each refusal, seen from both sides, whoever dials and whoever refuses.

use std::time::SystemTime;

use pgpipe::transport::auth::{AuthError, Refusal};
use pgpipe::wire::Role;
use pgpipe::wire::handshake::{PROTOCOL_VERSION, PairCode};

use super::party::{Met, Party, meet, met};

/// Requires that both sides name `refusal`, one as refuser, one as refused; gives their lines.
fn refused((dialler, listener): (Met, Met), refusal: Refusal) -> [String; 2] {
    let error = |met: Met| met.err().expect("nobody is let in");
    let errors = [error(dialler), error(listener)];
    for error in &errors {
        assert_eq!(error.refusal(), Some(refusal), "{error}");
        assert!(!error.is_lost());
    }
    let refusers = errors
        .iter()
        .filter(|e| matches!(e, AuthError::Refused { .. }))
        .count();
    assert_eq!(refusers, 1, "{errors:?}");
    let lines = errors.map(|e| e.to_string());
    assert!(lines.iter().all(|line| !line.contains('\n')));
    lines
}

/// Both ways round; neither side may end up with a pin.
async fn refused_both_ways(one: &Party, other: &Party, refusal: Refusal) {
    refused(meet(one, other).await, refusal);
    refused(meet(other, one).await, refusal);
}

fn no_pin(party: &Party) {
    assert!(party.state.read_bytes("peer").unwrap().is_none());
}

#[tokio::test]
async fn a_wrong_code() {
    let send = Party::new(Role::Send, Some(&PairCode::generate()));
    let recv = Party::new(Role::Recv, Some(&PairCode::generate()));
    refused_both_ways(&send, &recv, Refusal::WrongCode).await;
    no_pin(&send);
    no_pin(&recv);
    let [told, said] = refused(meet(&send, &recv).await, Refusal::WrongCode);
    assert!(told.starts_with("recv at 127.0.0.1:"), "{told}");
    assert!(told.contains("refused: the pairing code is wrong; give send"));
    assert!(said.starts_with("refused send at 127.0.0.1:"), "{said}");
}

#[tokio::test]
async fn no_code_at_all() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, None);
    let recv = Party::new(Role::Recv, Some(&code));
    refused_both_ways(&send, &recv, Refusal::NotPaired).await;
    let bare = Party::new(Role::Recv, None);
    refused_both_ways(&send, &bare, Refusal::NotPaired).await;
    no_pin(&send);
    no_pin(&recv);
}

#[tokio::test]
async fn a_used_code() {
    let code = PairCode::generate();
    let first = Party::new(Role::Send, Some(&code));
    let mut recv = Party::new(Role::Recv, Some(&code));
    met(meet(&first, &recv).await);

    // Whether recv's credentials know of the pin already or only its directory does.
    let second = Party::new(Role::Send, Some(&code));
    refused(meet(&second, &recv).await, Refusal::CodeUsed);
    recv.reload();
    let [told, _] = refused(meet(&second, &recv).await, Refusal::CodeUsed);
    assert!(told.contains("already used by another send"), "{told}");
    no_pin(&second);
    met(meet(&first, &recv).await);
}

#[tokio::test]
async fn an_expired_code() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let mut recv = Party::new(Role::Recv, Some(&code));
    recv.creds.code_expires_at = Some(SystemTime::now());
    refused_both_ways(&send, &recv, Refusal::CodeExpired).await;
    no_pin(&send);
    no_pin(&recv);
}

#[tokio::test]
async fn an_unknown_certificate() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let mut recv = Party::new(Role::Recv, Some(&code));
    met(meet(&send, &recv).await);
    recv.reload();

    let stranger = Party::new(Role::Send, None);
    refused(meet(&stranger, &recv).await, Refusal::UnknownCertificate);
    let guesser = Party::new(Role::Send, Some(&PairCode::generate()));
    refused(meet(&guesser, &recv).await, Refusal::UnknownCertificate);
}

/// send lost nothing, recv's directory did: send must not talk to what may be another host.
#[tokio::test]
async fn a_dialler_keeps_to_its_pin() {
    let code = PairCode::generate();
    let mut send = Party::new(Role::Send, Some(&code));
    met(meet(&send, &Party::new(Role::Recv, Some(&code))).await);
    send.forget_code();
    let impostor = Party::new(Role::Recv, None);
    refused(meet(&send, &impostor).await, Refusal::NotPaired);
    let knows_us = {
        let mut party = Party::new(Role::Recv, None);
        party.creds.pinned = Some(send.identity.fingerprint());
        party
    };
    refused(meet(&send, &knows_us).await, Refusal::UnknownCertificate);
}

#[tokio::test]
async fn two_of_the_same_role() {
    let code = PairCode::generate();
    for role in [Role::Send, Role::Recv] {
        let one = Party::new(role, Some(&code));
        let other = Party::new(role, Some(&code));
        refused(meet(&one, &other).await, Refusal::SameRole);
        no_pin(&one);
        no_pin(&other);
    }
}

#[tokio::test]
async fn another_protocol_version() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let mut recv = Party::new(Role::Recv, Some(&code));
    recv.version = PROTOCOL_VERSION + 1;
    for (dialler, listener) in [(&send, &recv), (&recv, &send)] {
        let (d, l) = meet(dialler, listener).await;
        for (met, ours) in [(d, dialler.version), (l, listener.version)] {
            let error = met.err().expect("nobody is let in");
            let theirs = 2 * PROTOCOL_VERSION + 1 - ours;
            assert_eq!(error.refusal(), Some(Refusal::Version { ours, theirs }));
            let line = error.to_string();
            let (known, newer) = (PROTOCOL_VERSION, PROTOCOL_VERSION + 1);
            assert!(
                line.contains(&format!(
                    "recv speaks protocol version {newer}, send speaks {known}"
                )) || line.contains(&format!(
                    "send speaks protocol version {known}, recv speaks {newer}"
                )),
                "{line}"
            );
        }
    }
    no_pin(&send);
    no_pin(&recv);
}
