//! From a link to a session with the paired peer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::{AuthError, Credentials, Paired, authenticate};
use crate::state::StateDir;
use crate::transport::connection::Connection;
use crate::transport::control::{ControlReceiver, ControlSender};
use crate::transport::link::Link;

/// Strangers that are heard beside one another: one that says nothing for its whole 10 s must not
/// keep the right peer waiting.
const MAX_HEARD: usize = 16;
/// So many more where the pinned peer comes: it never waits for strangers.
const MAX_HEARD_OF_PEER: usize = 4;

/// A connection to the paired peer, with its control stream.
#[derive(Debug)]
pub struct Session {
    pub conn: Connection,
    pub sender: ControlSender,
    pub receiver: ControlReceiver,
    pub paired: Paired,
}

/// Meets the peer: a dialler tries once, a listener hears whoever comes until one is let in.
///
/// At the listener each refused or failed stranger goes to `turned_away`, and only the link's own
/// end is an error. Cancel-safe: handshakes in progress are dropped, a pin that was made stays.
pub async fn meet(
    link: &Link,
    creds: &Credentials,
    state: &StateDir,
    turned_away: &mut (dyn FnMut(AuthError) + Send),
) -> Result<Session, AuthError> {
    if !link.is_listener() {
        return shake_hands(link.connect().await?, true, creds, state).await;
    }
    link.expect(creds.pinned);
    let mut heard = Vec::new();
    loop {
        let conn = tokio::select! {
            conn = link.expected(), if heard.len() < MAX_HEARD + MAX_HEARD_OF_PEER => conn?,
            conn = link.connect(), if heard.len() < MAX_HEARD => conn?,
            ended = first(&mut heard) => match ended {
                Ok(session) => return Ok(session),
                Err(error) => {
                    turned_away(error);
                    continue;
                }
            }
        };
        heard.push(Box::pin(shake_hands(conn, false, creds, state)));
    }
}

async fn shake_hands(
    conn: Connection,
    is_dialler: bool,
    creds: &Credentials,
    state: &StateDir,
) -> Result<Session, AuthError> {
    let (sender, receiver, paired) = authenticate(&conn, is_dialler, creds, state).await?;
    Ok(Session {
        conn,
        sender,
        receiver,
        paired,
    })
}

/// Takes out the first future that is ready; waits for ever when there is none.
async fn first<F: Future>(futures: &mut Vec<Pin<Box<F>>>) -> F::Output {
    poll_fn(|context| {
        for i in 0..futures.len() {
            if let Poll::Ready(output) = futures[i].as_mut().poll(context) {
                drop(futures.swap_remove(i));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}
