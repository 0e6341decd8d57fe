//! How a conversation ends: the reason arrives, whoever ends it and whatever else fails with it.

use pgpipe::transport::CloseCode;
use pgpipe::transport::Link;
use pgpipe::transport::auth;
use pgpipe::transport::talk::{Parting, Talk};
use pgpipe::wire::Role;
use pgpipe::wire::handshake::PairCode;
use pgpipe::wire::message::{Failure, ToRecv, ToSend};
use tokio::sync::watch;

use crate::party::{Party, Session, meet, met};

struct Pair {
    send: Talk<ToRecv, ToSend>,
    recv: Talk<ToSend, ToRecv>,
    /// Recv's user.
    stop: watch::Sender<bool>,
    _parties: [Party; 2],
    _links: [Link; 2],
}

async fn pair() -> Pair {
    let code = PairCode::generate();
    let parties = [Role::Send, Role::Recv].map(|role| Party::new(role, Some(&code)));
    let (send, recv) = met(meet(&parties[0], &parties[1]).await);
    let stop = watch::Sender::new(false);
    let (send, send_link) = split(send);
    let (recv, recv_link) = split(recv);
    Pair {
        send: Talk::new(send, watch::Sender::new(false).subscribe()),
        recv: Talk::new(recv, stop.subscribe()),
        stop,
        _parties: parties,
        _links: [send_link, recv_link],
    }
}

fn split(session: Session) -> (auth::Session, Link) {
    let Session {
        link,
        conn,
        sender,
        receiver,
        paired,
    } = session;
    let session = auth::Session {
        conn,
        sender,
        receiver,
        paired,
    };
    (session, link)
}

fn failure() -> Failure {
    Failure {
        line: "the snapshot is gone".to_owned(),
        resumable: false,
    }
}

#[tokio::test]
async fn the_reason_is_heard_after_the_connection_has_closed() {
    let mut pair = pair().await;
    let stream = pair.send.connection().open_data().await.unwrap();
    let failed = ToRecv::Failed(failure());
    let end = pair.send.end(Some(&failed), CloseCode::Failed, "failed");
    tokio::join!(end, pair.recv.connection().closed());
    drop(stream);
    let error = pair.recv.connection().accept_data().await.unwrap_err();
    let parting = pair.recv.explain(error).await;
    assert!(matches!(parting, Parting::Failed(told) if told == failure()));
}

#[tokio::test]
async fn what_could_not_be_said_is_explained_by_what_the_peer_said() {
    let mut pair = pair().await;
    let end = pair.send.end(Some(&ToRecv::Stop), CloseCode::Stopped, "");
    tokio::join!(end, pair.recv.connection().closed());
    let parting = pair.recv.say(&ToSend::DataDurable).await.unwrap_err();
    assert!(matches!(parting, Parting::StoppedThere), "{parting:?}");
}

#[tokio::test]
async fn a_connection_that_is_given_up_is_lost_to_both() {
    let mut pair = pair().await;
    pair.send.give_up();
    let parting = pair.recv.hear().await.unwrap_err();
    assert!(matches!(parting, Parting::Lost(_)), "{parting:?}");
}

#[tokio::test]
async fn the_users_stop_ends_every_wait() {
    let mut pair = pair().await;
    pair.stop.send_replace(true);
    let heard = pair.recv.hear().await;
    assert!(matches!(heard, Err(Parting::StoppedHere)));
    let waited = pair.recv.unless_stopped(std::future::pending::<()>()).await;
    assert!(matches!(waited, Err(Parting::StoppedHere)));
}
