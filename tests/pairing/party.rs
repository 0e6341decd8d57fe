//! One end of a test: its state directory, identity and credentials.

use std::time::Duration;

use pgpipe::state::StateDir;
use pgpipe::transport::auth::{
    AuthError, Credentials, Paired, Terms, authenticate, authenticate_on, pinned,
};
use pgpipe::transport::{Connection, ControlReceiver, ControlSender, Identity, Limits, Link};
use pgpipe::wire::Role;
use pgpipe::wire::handshake::{PROTOCOL_VERSION, PairCode};
use tempfile::TempDir;

pub(crate) struct Party {
    _root: TempDir,
    pub(crate) state: StateDir,
    pub(crate) identity: Identity,
    pub(crate) creds: Credentials,
    pub(crate) version: u16,
}

/// What a side has after authentication. The link is kept: connections die with it.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) conn: Connection,
    pub(crate) sender: ControlSender,
    pub(crate) receiver: ControlReceiver,
    pub(crate) paired: Paired,
}

pub(crate) type Met = Result<Session, AuthError>;

impl Party {
    pub(crate) fn new(role: Role, code: Option<&PairCode>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", role).unwrap();
        let identity = Identity::load_or_create(&state).unwrap();
        let creds = Credentials {
            role,
            pinned: None,
            code: code.cloned(),
            code_expires_at: None,
        };
        Self {
            _root: root,
            state,
            identity,
            creds,
            version: PROTOCOL_VERSION,
        }
    }

    /// As after a restart.
    pub(crate) fn reload(&mut self) {
        self.creds.pinned = pinned(&self.state).unwrap();
        self.identity = Identity::load_or_create(&self.state).unwrap();
    }

    pub(crate) fn forget_code(&mut self) {
        self.reload();
        self.creds.code = None;
    }

    pub(crate) async fn listen(&self) -> Link {
        let limits = Limits::default();
        Link::listen("127.0.0.1:0", &self.identity, limits)
            .await
            .unwrap()
    }

    pub(crate) async fn dial(&self, listener: &Link) -> Link {
        let address = listener.local_addr().unwrap().to_string();
        Link::dial(&address, &self.identity, Limits::default())
            .await
            .unwrap()
    }

    pub(crate) async fn join(&self, link: Link) -> Met {
        let conn = link.connect().await.unwrap();
        let dials = !link.is_listener();
        let done = if self.version == PROTOCOL_VERSION {
            authenticate(&conn, dials, &self.creds, &self.state).await
        } else {
            let terms = Terms {
                version: self.version,
                limit: Duration::from_secs(10),
            };
            authenticate_on(&conn, dials, &self.creds, &self.state, terms).await
        };
        let (sender, receiver, paired) = done?;
        Ok(Session {
            link,
            conn,
            sender,
            receiver,
            paired,
        })
    }
}

pub(crate) async fn meet(dialler: &Party, listener: &Party) -> (Met, Met) {
    let listening = listener.listen().await;
    let dialling = dialler.dial(&listening).await;
    tokio::join!(dialler.join(dialling), listener.join(listening))
}

pub(crate) fn met((dialler, listener): (Met, Met)) -> (Session, Session) {
    let ok = |side: &str, met: Met| met.unwrap_or_else(|e| panic!("{side}: {e}: {e:?}"));
    (ok("dialler", dialler), ok("listener", listener))
}
