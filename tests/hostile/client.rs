//! A peer that recv has let in, and that may say anything: it has the identity, the plan and the
//! archive of a real send, and writes every byte itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgpipe::chunk::{Attempt, ChunkId, Plan};
use pgpipe::codec::ChunkParams;
use pgpipe::pg::{Client as Postgres, ConnInfo};
use pgpipe::source::server;
use pgpipe::wire::Role;
use pgpipe::wire::frame;
use pgpipe::wire::handshake::{Introduction, Message, PROTOCOL_VERSION};
use pgpipe::wire::message::{Greet, Offer, StreamHeader, ToRecv, ToSend};
use quinn::crypto::rustls::QuicClientConfig;
use serde::Serialize;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::Databases;
use crate::tls;

/// No answer of recv takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

/// What a real send had when it was killed.
pub(crate) struct Loot {
    identity: tls::Stored,
    address: String,
    pub(crate) greet: Greet,
    pub(crate) offer: Offer,
    pub(crate) plan: Plan,
    pub(crate) plan_bytes: Vec<u8>,
    pub(crate) archive: Vec<u8>,
}

#[derive(serde::Deserialize)]
struct Sealed<T> {
    body: T,
}

#[derive(serde::Deserialize)]
struct Record {
    id: Uuid,
    prepared: Prepared,
}

#[derive(serde::Deserialize)]
struct Prepared {
    offer: Offer,
}

impl Loot {
    /// From the state directory of a send that is not running.
    pub(crate) fn take(dbs: &Databases) -> Self {
        let dir = dbs.path("send.state/main/send");
        let identity: Sealed<tls::Stored> = json(&dir.join("identity"));
        let record: Sealed<Record> = json(&dir.join("migration"));
        let plan_bytes = std::fs::read(dir.join("plan")).unwrap();
        let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
        let mut source = Postgres::connect(&info, "hostile").unwrap();
        Self {
            identity: identity.body,
            address: dbs.address(),
            greet: Greet {
                pgpipe: "0".into(),
                migration: "main".into(),
                id: record.body.id,
                source: server::describe(&mut source, &info).unwrap(),
                jobs: 2,
            },
            offer: record.body.prepared.offer,
            plan: postcard::from_bytes(&plan_bytes).unwrap(),
            plan_bytes,
            archive: std::fs::read(dir.join("schema.dump")).unwrap(),
        }
    }
}

impl Loot {
    /// The chunk of three parts.
    pub(crate) fn shared(&self) -> u32 {
        let mut chunks = self.plan.chunks.iter();
        chunks.find(|chunk| chunk.parts.len() == 3).unwrap().id.0
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// One connection of the peer.
pub(crate) struct Client {
    pub(crate) loot: Arc<Loot>,
    pub(crate) connection: quinn::Connection,
    control: quinn::SendStream,
    answers: quinn::RecvStream,
    /// What recv last said of the attempts that it has seen.
    last_number: u32,
    /// How many chunks recv takes side by side.
    pub(crate) jobs: u16,
    _endpoint: quinn::Endpoint,
}

impl Client {
    /// A connection that recv has let in.
    pub(crate) async fn connect(loot: &Arc<Loot>) -> Self {
        let crypto = QuicClientConfig::try_from(tls::client(&loot.identity)).unwrap();
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        let address = loot.address.parse().unwrap();
        let connection = endpoint.connect(address, "pgpipe").unwrap().await.unwrap();
        let (control, answers) = connection.open_bi().await.unwrap();
        let mut client = Self {
            loot: Arc::clone(loot),
            connection,
            control,
            answers,
            last_number: 0,
            jobs: 0,
            _endpoint: endpoint,
        };
        client.shake_hands().await;
        client
    }

    /// Recv knows the certificate: no proof is needed.
    async fn shake_hands(&mut self) {
        let hello = Message::Hello(Introduction {
            role: Role::Send,
            proof: None,
        });
        self.hand(&hello).await;
        let welcome = Message::decode(&self.body().await, PROTOCOL_VERSION).unwrap();
        assert!(matches!(welcome, Message::Welcome(_)), "{welcome:?}");
        self.hand(&Message::Confirmed).await;
    }

    async fn hand(&mut self, message: &Message) {
        let body = message.encode(PROTOCOL_VERSION).unwrap();
        let framed = frame::encode_body(&body, frame::LIMIT).unwrap();
        self.bytes(&framed).await;
    }

    /// Writes bytes on the control stream; recv may have had enough already.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.control.write_all(bytes).await;
    }

    pub(crate) async fn say(&mut self, message: ToRecv) {
        self.bytes(&framed(&message)).await;
    }

    pub(crate) fn finish_control(&mut self) {
        self.control.finish().unwrap();
    }

    async fn body(&mut self) -> Vec<u8> {
        let reading = async {
            let mut length = [0; 4];
            self.answers.read_exact(&mut length).await.unwrap();
            let mut body = vec![0; u32::from_le_bytes(length) as usize];
            self.answers.read_exact(&mut body).await.unwrap();
            body
        };
        timeout(LIMIT, reading).await.expect("recv answers")
    }

    pub(crate) async fn hear(&mut self) -> ToSend {
        frame::decode(&self.body().await).unwrap()
    }

    /// The line with which recv ends the session.
    pub(crate) async fn told(&mut self) -> String {
        loop {
            if let ToSend::Failed(failure) = self.hear().await {
                return failure.line;
            }
        }
    }

    pub(crate) async fn greet(&mut self) {
        self.say(ToRecv::Greet(self.loot.greet.clone())).await;
        match self.hear().await {
            ToSend::Standing(standing) => self.jobs = standing.jobs,
            other => panic!("{other:?}"),
        }
    }

    /// Offers, and sends what recv asks for.
    pub(crate) async fn offer(&mut self) {
        let loot = Arc::clone(&self.loot);
        self.say(ToRecv::Offer(loot.offer.clone())).await;
        let (plan, archive) = self.needed().await;
        if plan {
            self.file(StreamHeader::Plan, &loot.plan_bytes).await;
        }
        if archive {
            self.file(StreamHeader::Archive, &loot.archive).await;
        }
    }

    pub(crate) async fn needed(&mut self) -> (bool, bool) {
        match self.hear().await {
            ToSend::Need { plan, archive, .. } => (plan, archive),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn file(&mut self, header: StreamHeader, bytes: &[u8]) {
        let mut stream = self.stream(&header).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.finish();
    }

    /// Everything up to recv's `Ready`.
    pub(crate) async fn ready(&mut self) {
        self.greet().await;
        self.offer().await;
        loop {
            match self.hear().await {
                ToSend::Ready { last_number, .. } => {
                    self.last_number = last_number;
                    return;
                }
                ToSend::Progress { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Everything up to the moment when chunks may come.
    pub(crate) async fn resume(&mut self) {
        self.ready().await;
        self.say(ToRecv::Resume { attempts: vec![] }).await;
    }

    /// A data stream that has said what it is.
    pub(crate) async fn stream(&self, header: &StreamHeader) -> quinn::SendStream {
        let mut stream = self.connection.open_uni().await.unwrap();
        stream.write_all(&framed(header)).await.unwrap();
        stream
    }

    /// An attempt that recv has not seen.
    pub(crate) fn attempt(&self, chunk: u32) -> Attempt {
        Attempt {
            chunk: ChunkId(chunk),
            number: self.last_number + 1,
        }
    }

    /// The attempt that [`chunk`](Self::chunk) makes.
    pub(crate) fn again(&self) -> Attempt {
        self.attempt(self.loot.shared())
    }

    /// The stream of a new attempt at the chunk of three parts, after everything that comes before.
    pub(crate) async fn chunk(&mut self, params: ChunkParams) -> quinn::SendStream {
        self.resume().await;
        let attempt = self.again();
        self.stream(&StreamHeader::Chunk { attempt, params }).await
    }
}

/// One message as it travels.
pub(crate) fn framed<T: Serialize>(message: &T) -> Vec<u8> {
    frame::encode(message, frame::LIMIT).unwrap()
}
