//! Two ends over real QUIC on 127.0.0.1: who is let in, who is not, and what each side is told.

#![allow(clippy::unwrap_used, reason = "a test may panic, helpers included")]

mod hostile;
mod link;
mod party;
mod refusals;
mod talk;

use std::time::{Duration, SystemTime};

use pgpipe::state::PairingState;
use pgpipe::transport::auth::{Paired, pinned};
use pgpipe::transport::{CloseCode, TransportError};
use pgpipe::wire::Role;
use pgpipe::wire::handshake::PairCode;

use party::{Party, meet, met};

#[tokio::test]
async fn the_code_pairs_whoever_dials() {
    for dials in [Role::Send, Role::Recv] {
        let code = PairCode::generate();
        let dialler = Party::new(dials, Some(&code));
        let listener = Party::new(dials.peer(), Some(&code));
        let (d, l) = met(meet(&dialler, &listener).await);
        assert_eq!(d.paired, Paired { newly: true });
        assert_eq!(l.paired, Paired { newly: true });
        let pin = |party: &Party| pinned(&party.state).unwrap();
        assert_eq!(pin(&dialler), Some(listener.identity.fingerprint()));
        assert_eq!(pin(&listener), Some(dialler.identity.fingerprint()));
        assert_eq!(d.conn.exporter(b"x"), l.conn.exporter(b"x"));
    }
}

#[tokio::test]
async fn a_paired_peer_comes_back_without_a_code_and_after_its_end() {
    let code = PairCode::generate();
    let mut send = Party::new(Role::Send, Some(&code));
    let mut recv = Party::new(Role::Recv, Some(&code));
    met(meet(&send, &recv).await);

    send.forget_code();
    recv.reload();
    recv.creds.code_expires_at = Some(SystemTime::UNIX_EPOCH);
    for _ in 0..2 {
        let (s, r) = met(meet(&send, &recv).await);
        assert!(!s.paired.newly && !r.paired.newly);
    }
    let (r, s) = met(meet(&recv, &send).await);
    assert!(!s.paired.newly && !r.paired.newly);
}

/// The listener pins, then one side dies: its peer has no pin, and proves the code once more.
#[tokio::test]
async fn a_pin_on_one_side_only_is_healed_by_the_code() {
    for lost in [Role::Send, Role::Recv] {
        let code = PairCode::generate();
        let mut send = Party::new(Role::Send, Some(&code));
        let mut recv = Party::new(Role::Recv, Some(&code));
        met(meet(&send, &recv).await);
        send.reload();
        recv.reload();
        let forgetful = if lost == Role::Send {
            &mut send
        } else {
            &mut recv
        };
        forgetful.state.remove("peer").unwrap();
        forgetful.reload();
        let (s, r) = met(meet(&send, &recv).await);
        assert_eq!(s.paired.newly, lost == Role::Send);
        assert_eq!(r.paired.newly, lost == Role::Recv);
    }
}

#[tokio::test]
async fn pairing_marks_the_saved_code_as_used() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let recv = Party::new(Role::Recv, Some(&code));
    PairingState::new(code, SystemTime::now(), Duration::from_secs(60))
        .save(&recv.state)
        .unwrap();
    met(meet(&send, &recv).await);
    assert!(PairingState::load(&recv.state).unwrap().unwrap().used);
}

#[tokio::test]
async fn messages_and_data_cross_once_paired() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let recv = Party::new(Role::Recv, Some(&code));
    let (mut s, mut r) = met(meet(&send, &recv).await);

    // Longer than the limit before authentication, and than the window then.
    let text = "x".repeat(500_000);
    let (sent, got) = tokio::join!(s.sender.send(&text), r.receiver.recv::<String>());
    sent.unwrap();
    assert_eq!(got.unwrap(), text);

    let bytes = vec![7; 3 << 20];
    let write = async {
        let mut stream = s.conn.open_data().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.write_chunk(bytes.clone().into()).await.unwrap();
        stream.finish().unwrap();
    };
    let read = async {
        let mut stream = r.conn.accept_data().await.unwrap();
        let mut buffer = vec![0; 2 * bytes.len()];
        stream.read_exact(&mut buffer).await.unwrap();
        stream.expect_end().await.unwrap();
        buffer
    };
    let ((), got) = tokio::join!(write, read);
    assert!(got.iter().all(|&b| b == 7));
    assert!(s.conn.stats().udp_tx_bytes > 6 << 20);
    assert!(r.conn.stats().udp_rx_bytes > 6 << 20);
}

/// A batch that is more than one call to the kernel takes would be lost, all of it: quinn then falls
/// back to packets of 1200 bytes.
#[tokio::test]
async fn full_batches_of_the_largest_packets_arrive() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let recv = Party::new(Role::Recv, Some(&code));
    let (s, r) = met(meet(&send, &recv).await);

    let bytes = vec![7; 32 << 20];
    let write = async {
        let mut stream = s.conn.open_data().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.finish().unwrap();
    };
    let read = async {
        let mut stream = r.conn.accept_data().await.unwrap();
        stream.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
    };
    tokio::join!(write, read);
    let mtu = s.conn.stats().mtu;
    assert!(mtu > 6000, "packets of {mtu} bytes");
}

#[tokio::test]
async fn the_last_message_arrives_before_a_deliberate_close() {
    let code = PairCode::generate();
    let send = Party::new(Role::Send, Some(&code));
    let recv = Party::new(Role::Recv, Some(&code));
    for (close, reason) in [
        (CloseCode::Done, "all committed"),
        (CloseCode::Stopped, "stopped by the user"),
        (CloseCode::Failed, "disk full"),
    ] {
        let (mut s, mut r) = met(meet(&send, &recv).await);
        let leave = async {
            s.sender.send("last").await.unwrap();
            s.sender.finish().await.unwrap();
            s.conn.close(close, reason);
            s.link.shutdown().await;
        };
        let ((), last) = tokio::join!(leave, r.receiver.recv::<String>());
        assert_eq!(last.unwrap(), "last");
        let ended = r.conn.closed().await;
        assert!(!ended.is_lost());
        match ended {
            TransportError::ClosedByPeer { code, reason: why } => {
                assert_eq!((code, why.as_str()), (close, reason));
            }
            other => panic!("{other}"),
        }
    }
}
