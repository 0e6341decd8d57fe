//! Messages that do not fit, and bytes that are none.

use pgpipe::chunk::{Attempt, ChunkId};
use pgpipe::wire::frame;
use pgpipe::wire::message::{Tail, ToRecv};

use crate::client::framed;
use crate::scene::Scene;

const DOES_NOT_FIT: &str = "send sent what does not fit here";

fn tail() -> ToRecv {
    ToRecv::Tail(Tail {
        sequences: vec![],
        changed: vec![],
        allow_changes: false,
        stats: "{}".into(),
    })
}

fn resume() -> ToRecv {
    let attempt = Attempt {
        chunk: ChunkId(9999),
        number: 7,
    };
    ToRecv::Resume {
        attempts: vec![attempt],
    }
}

#[test]
fn messages_out_of_turn_are_refused() {
    let scene = Scene::new("out_of_turn", &[]);
    scene.suffers(DOES_NOT_FIT, async |client| client.say(tail()).await);
    scene.suffers(DOES_NOT_FIT, async |client| {
        client.greet().await;
        client.say(ToRecv::Greet(client.loot.greet.clone())).await;
    });
    for early in [tail(), ToRecv::Bye, resume()] {
        scene.suffers(DOES_NOT_FIT, async |client| {
            client.greet().await;
            client.say(early).await;
        });
    }
    for early in [tail(), ToRecv::Bye, ToRecv::Again { tables: vec![] }] {
        scene.suffers(DOES_NOT_FIT, async |client| {
            client.ready().await;
            client.say(early).await;
        });
    }
    for early in [tail(), ToRecv::Bye, resume()] {
        scene.suffers(DOES_NOT_FIT, async |client| {
            client.resume().await;
            client.say(early).await;
        });
    }
    // Attempts that recv does not have are nothing to keep.
    scene.suffers(DOES_NOT_FIT, async |client| {
        client.ready().await;
        client.say(resume()).await;
        client.say(resume()).await;
    });
    scene.completes();
}

#[test]
fn another_migration_is_refused() {
    let scene = Scene::new("another_one", &[]);
    scene.suffers("give both the same --migration", async |client| {
        let mut greet = client.loot.greet.clone();
        greet.migration = "../../etc".into();
        client.say(ToRecv::Greet(greet)).await;
    });
    scene.suffers("belongs to another run", async |client| {
        let mut greet = client.loot.greet.clone();
        greet.id = uuid::Uuid::new_v4();
        client.say(ToRecv::Greet(greet)).await;
    });
    scene.completes();
}

#[test]
fn bytes_that_are_no_messages_are_refused() {
    let scene = Scene::new("no_message", &[]);
    for length in [u32::MAX, frame::LIMIT as u32 + 1] {
        scene.suffers("is longer than the 16777216", async |client| {
            client.bytes(&length.to_le_bytes()).await;
        });
    }
    scene.suffers("cannot be decoded", async |client| {
        client.greet().await;
        client.bytes(b"\x04\0\0\0\xff\xff\xff\xff").await;
    });
    scene.suffers("has 1 bytes behind its end", async |client| {
        client.greet().await;
        let mut bye = framed(&ToRecv::Bye);
        bye[0] += 1;
        bye.push(0);
        client.bytes(&bye).await;
    });
    scene.suffers("ends in the middle of its frame", async |client| {
        client.resume().await;
        client.bytes(b"\x40\0\0\0\x01").await;
        client.finish_control();
    });
    scene.completes();
}
