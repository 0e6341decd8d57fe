//! One side's way to its one peer: the link, the pairing code, and connections that have been
//! authenticated. Whoever uses it never sees a peer that has not proved who it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::auth::{AuthError, Credentials, Session, meet, pinned};
use super::{CloseCode, Connection, Identity, IdentityError, Limits, Link, TransportError};
use crate::state::{PairingState, StateDir, StateError, pairfile};
use crate::wire::Role;
use crate::wire::handshake::PairCode;

/// How long send waits for the pair file.
const PAIR_FILE_LIMIT: Duration = Duration::from_secs(60);
/// How long the first connection of two sides may take to come about: a mistyped address is more
/// likely then than an outage.
const FIRST_CONTACT: Duration = Duration::from_secs(60);
/// Between two tries to dial.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which way the connection is opened; nothing to do with which way data flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkSpec {
    /// ADDR:PORT
    Listen(String),
    /// HOST:PORT
    Dial(String),
}

impl LinkSpec {
    fn address(&self) -> &str {
        match self {
            Self::Listen(address) | Self::Dial(address) => address,
        }
    }
}

/// Asks the user for the code that recv printed; blocks.
pub type AskCode = dyn Fn() -> Result<PairCode, String> + Send + Sync;

/// Where the pairing code comes from, or goes to.
#[derive(Clone)]
pub enum Code {
    /// recv writes it here where it is missing or empty; send reads it.
    File { path: PathBuf, lifetime: Duration },
    /// recv makes one that lives this long and shows it.
    Make { lifetime: Duration },
    /// send asks for it, unless it is paired already.
    Ask(Arc<AskCode>),
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "File({})", path.display()),
            Self::Make { .. } => f.write_str("Make"),
            Self::Ask(_) => f.write_str("Ask"),
        }
    }
}

/// Why there is no connection to the peer.
#[derive(Debug, Error)]
pub enum PeeringError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("no pairing code: {0}")]
    Ask(String),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("{peer} at {address} could not be reached within {seconds} s")]
    Unreached {
        peer: &'static str,
        address: String,
        seconds: u64,
        source: Box<Self>,
    },
    #[error("{peer} did not connect to {address} within {seconds} s")]
    Nobody {
        peer: &'static str,
        address: String,
        seconds: u64,
    },
}

impl PeeringError {
    /// Whether the peer was simply not there, so that the same can be tried later.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Unreached { .. } | Self::Nobody { .. })
    }

    /// Whether the same command can go on later.
    pub fn is_resumable(&self) -> bool {
        self.is_timeout() || matches!(self, Self::State(error) if error.is_passing())
    }

    fn is_lost(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_lost(),
            Self::Auth(error) => error.is_lost(),
            _ => false,
        }
    }
}

/// Prints a line for the user.
pub type Say = dyn Fn(&str) + Send + Sync;

/// How long the peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As the user has said.
    Wished(Duration),
    Usual(Duration),
}

impl Limit {
    /// The user's wish, if there is one.
    pub fn new(wished: Option<Duration>, usual: Duration) -> Self {
        wished.map_or(Self::Usual(usual), Self::Wished)
    }

    fn duration(self) -> Duration {
        match self {
            Self::Wished(limit) | Self::Usual(limit) => limit,
        }
    }

    fn of_dialler(self, reached_before: bool) -> Duration {
        match self {
            Self::Usual(limit) if !reached_before => limit.min(FIRST_CONTACT),
            _ => self.duration(),
        }
    }
}

type Met = Result<Session, PeeringError>;

/// The way to the peer, for the life of the process.
pub struct Peering {
    role: Role,
    spec: LinkSpec,
    state: Arc<StateDir>,
    link: Arc<Link>,
    code: Option<PairingState>,
    /// By this process or an earlier one.
    reached_before: bool,
    /// Of a listener: connections that have been let in, newest last.
    admitted: Option<(mpsc::Receiver<Met>, JoinHandle<()>)>,
}

impl Peering {
    /// Opens the link and settles the code: recv makes and publishes one, send gets it.
    pub async fn open(
        state: &Arc<StateDir>,
        role: Role,
        spec: &LinkSpec,
        code: Code,
        limits: Limits,
        say: Arc<Say>,
    ) -> Result<Self, PeeringError> {
        let identity = Identity::load_or_create(state)?;
        let asked = match role {
            Role::Recv => None,
            Role::Send => ask(state, &code).await?,
        };
        let link = Arc::new(match spec {
            LinkSpec::Listen(address) => Link::listen(address, &identity, limits).await?,
            LinkSpec::Dial(address) => Link::dial(address, &identity, limits).await?,
        });
        let code = match role {
            Role::Recv => Some(make(state, &code)?),
            Role::Send => asked,
        };
        let mut peering = Self {
            role,
            spec: spec.clone(),
            state: Arc::clone(state),
            link,
            code,
            reached_before: pinned(state)?.is_some(),
            admitted: None,
        };
        if peering.link.is_listener() {
            peering.admit(say);
        }
        Ok(peering)
    }

    /// Lets connections in from here on.
    fn admit(&mut self, say: Arc<Say>) {
        let (sender, receiver) = mpsc::channel(1);
        let admission = Admission {
            link: Arc::clone(&self.link),
            state: Arc::clone(&self.state),
            role: self.role,
            code: self.code.clone(),
            say,
        };
        self.admitted = Some((receiver, tokio::spawn(admission.run(sender))));
    }

    /// Recv's code, as long as nobody is paired with it.
    pub fn code(&self) -> Result<Option<&PairingState>, PeeringError> {
        let paired = pinned(&self.state)?.is_some();
        Ok(self.code.as_ref().filter(|_| !paired))
    }

    /// The address that the peer dials, where this side listens.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.link.local_addr()
    }

    /// The next authenticated connection, waited for at most for `limit`; `waiting` shows for whom.
    ///
    /// Cancel-safe. A dialler tries again until the limit; one that nobody has wished for is shorter
    /// for the first contact.
    pub async fn reach(
        &mut self,
        limit: Limit,
        waiting: &(dyn Fn(Option<String>) + Sync),
    ) -> Result<Session, PeeringError> {
        waiting(Some(self.wanted()));
        let reached = match &mut self.admitted {
            Some((admitted, _)) => {
                let (peer, address) = (self.role.peer().as_str(), self.spec.address().to_owned());
                let limit = limit.duration();
                let seconds = limit.as_secs();
                let nobody = PeeringError::Nobody {
                    peer,
                    address,
                    seconds,
                };
                match timeout(limit, admitted.recv()).await {
                    Ok(Some(met)) => met,
                    Ok(None) => Err(TransportError::LinkClosed.into()),
                    Err(_) => Err(nobody),
                }
            }
            None => self.dial(limit.of_dialler(self.reached_before)).await,
        };
        waiting(None);
        self.reached_before |= reached.is_ok();
        reached
    }

    fn wanted(&self) -> String {
        let peer = self.role.peer().as_str();
        match &self.spec {
            LinkSpec::Listen(address) => format!("{peer} to connect to {address}"),
            LinkSpec::Dial(address) => format!("{peer} at {address}"),
        }
    }

    async fn dial(&self, limit: Duration) -> Result<Session, PeeringError> {
        let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let error = match self.try_dial().await {
                Err(error) if error.is_lost() => error,
                other => return other,
            };
            tracing::info!(%error, "no connection yet");
            if started.elapsed() + pause > limit {
                return Err(PeeringError::Unreached {
                    peer: self.role.peer().as_str(),
                    address: self.spec.address().to_owned(),
                    seconds: limit.as_secs(),
                    source: Box::new(error),
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_dial(&self) -> Result<Session, PeeringError> {
        let creds = credentials(&self.state, self.role, self.code.as_ref())?;
        Ok(meet(&self.link, &creds, &self.state, &mut |_| ()).await?)
    }

    /// Ends the link, time-limited; last messages arrive before.
    pub async fn shutdown(self) {
        if let Some((_, task)) = &self.admitted {
            task.abort();
        }
        self.link.shutdown().await;
    }
}

fn credentials(
    state: &StateDir,
    role: Role,
    code: Option<&PairingState>,
) -> Result<Credentials, StateError> {
    Ok(Credentials {
        role,
        pinned: pinned(state)?,
        code: code.map(|c| c.code.clone()),
        code_expires_at: code.filter(|_| role == Role::Recv).map(|c| c.expires),
    })
}

/// Recv's code: the pair file's, the saved one, or a new one; published only once we listen.
fn make(state: &StateDir, code: &Code) -> Result<PairingState, StateError> {
    let (path, lifetime) = match code {
        Code::File { path, lifetime } => (Some(path), *lifetime),
        Code::Make { lifetime } => (None, *lifetime),
        Code::Ask(_) => (None, Duration::ZERO),
    };
    let now = SystemTime::now();
    let given = path.map(|path| pairfile::read(path)).transpose()?.flatten();
    // Our own code of an earlier run would be refused for ever: a new one takes its place.
    let expired = PairingState::load(state)?.filter(|saved| !saved.used && saved.expires <= now);
    let given = given.filter(|given| expired.is_none_or(|expired| expired.code != *given));
    let publish = path.filter(|_| given.is_none());
    let made = PairingState::load_or_create(state, given, now, lifetime)?;
    if let Some(path) = publish {
        pairfile::publish(path, &made.code)?;
    }
    Ok(made)
}

/// Send's code, if it needs one.
async fn ask(state: &StateDir, code: &Code) -> Result<Option<PairingState>, PeeringError> {
    if pinned(state)?.is_some() {
        return Ok(None);
    }
    let code = match code {
        Code::File { path, .. } => pairfile::wait(path, PAIR_FILE_LIMIT).await?,
        Code::Make { .. } => return Ok(None),
        Code::Ask(ask) => {
            let ask = Arc::clone(ask);
            let answered = spawn_blocking(move || ask()).await;
            answered
                .map_err(|e| PeeringError::Ask(e.to_string()))?
                .map_err(PeeringError::Ask)?
        }
    };
    Ok(Some(PairingState::new(
        code,
        SystemTime::now(),
        Duration::ZERO,
    )))
}

/// A listener's task: lets the peer in as it comes. A newer connection of the same peer ends the
/// older one: the process at its other end has died, or its link has.
struct Admission {
    link: Arc<Link>,
    state: Arc<StateDir>,
    role: Role,
    code: Option<PairingState>,
    say: Arc<Say>,
}

impl Admission {
    async fn run(self, admitted: mpsc::Sender<Met>) {
        let mut current: Option<Connection> = None;
        loop {
            let met = self.meet().await;
            let failed = met.is_err();
            if let Ok(session) = &met
                && let Some(older) = current.replace(session.conn.clone())
            {
                older.close(CloseCode::Dropped, "a newer connection took its place");
            }
            if admitted.send(met).await.is_err() || failed {
                return;
            }
        }
    }

    async fn meet(&self) -> Result<Session, PeeringError> {
        let creds = credentials(&self.state, self.role, self.code.as_ref())?;
        Ok(meet(&self.link, &creds, &self.state, &mut |error| {
            self.turned_away(&error)
        })
        .await?)
    }

    /// Strangers are logged; only a peer that speaks pgpipe is worth the user's eye.
    fn turned_away(&self, error: &AuthError) {
        tracing::warn!(%error, "a peer was not let in");
        if error.refusal().is_some() {
            (self.say)(&error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_first_contact_without_a_wish_is_given_up_soon() {
        let (day, minute) = (Duration::from_secs(86_400), Duration::from_secs(60));
        assert_eq!(Limit::new(None, day).of_dialler(false), minute);
        assert_eq!(Limit::new(None, day).of_dialler(true), day);
        assert_eq!(Limit::new(Some(day), minute).of_dialler(false), day);
        let short = Duration::from_secs(1);
        assert_eq!(Limit::new(Some(short), day).of_dialler(true), short);
    }
}
