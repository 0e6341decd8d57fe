//! Chunks and attempts that are not to be had, and streams that end where they may not.

use std::time::{Duration, Instant};

use pgpipe::chunk::Attempt;
use pgpipe::codec::ChunkParams;
use pgpipe::wire::message::{StreamHeader, ToSend};
use tokio::time::timeout;

use crate::client::Client;
use crate::rows::{blocks, chunk_end};
use crate::scene::Scene;

const OUT_OF_TURN: &str = "send sent a chunk out of turn";
/// A third of what recv waits for a header.
const SOON: Duration = Duration::from_secs(10);
const PLAIN: ChunkParams = ChunkParams::UNCOMPRESSED;

fn chunk(attempt: Attempt) -> StreamHeader {
    let params = PLAIN;
    StreamHeader::Chunk { attempt, params }
}

async fn received(client: &mut Client, wanted: u32) {
    loop {
        match client.hear().await {
            ToSend::Received(held) if held.blocks == wanted => return,
            ToSend::Received(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn chunks_outside_the_plan_and_second_ones_are_refused() {
    let scene = Scene::new("outside", &[]);
    for number in [9999, 2, u32::MAX] {
        scene.suffers(OUT_OF_TURN, async |client| {
            client.resume().await;
            let attempt = client.attempt(number);
            client.stream(&chunk(attempt)).await;
        });
        scene.suffers(OUT_OF_TURN, async |client| {
            client.resume().await;
            let attempt = client.attempt(number);
            client
                .stream(&StreamHeader::Resume { attempt, from: 0 })
                .await;
        });
    }
    scene.suffers("is already being written", async |client| {
        let mut first = client.chunk(PLAIN).await;
        first.write_all(&blocks(&[0])[0]).await.unwrap();
        received(client, 1).await;
        let attempt = client.again();
        client.stream(&chunk(attempt)).await.finish().unwrap();
        let _ = first.stopped().await;
    });
    for header in [StreamHeader::Plan, StreamHeader::Archive] {
        scene.suffers("a file that was not asked for", async |client| {
            client.resume().await;
            client.file(header, b"?").await;
        });
    }
    scene.suffers("cannot start a chunk", async |client| {
        let window_log = 24;
        let params = ChunkParams {
            level: Some(99),
            window_log,
        };
        client.chunk(params).await.finish().unwrap();
    });
    scene.completes();
}

/// An attempt that recv does not have may have ended there: its stream is stopped, and nothing said.
#[test]
fn attempts_that_recv_does_not_have_are_passed_over() {
    let scene = Scene::new("unknown_attempt", &[]);
    scene.runs(async |client| {
        client.resume().await;
        let attempt = client.again();
        let header = StreamHeader::Resume { attempt, from: 3 };
        let stream = client.stream(&header).await;
        assert!(stream.stopped().await.unwrap().is_some());
    });
    scene.is_unharmed();
    scene.suffers("goes on at block 5, and 1 are here", async |client| {
        let mut first = client.chunk(PLAIN).await;
        first.write_all(&blocks(&[0])[0]).await.unwrap();
        received(client, 1).await;
        let attempt = client.again();
        let header = StreamHeader::Resume { attempt, from: 5 };
        client.stream(&header).await.finish().unwrap();
        let _ = first.stopped().await;
    });
    scene.completes();
}

/// What breaks a stream's rules: recv waits 15 s for the reason before it says so.
#[test]
fn streams_that_end_early_or_late_are_refused() {
    let scene = Scene::new("stream_ends", &[]);
    scene.suffers("a stream ended after", async |client| {
        let mut stream = client.chunk(PLAIN).await;
        stream.write_all(&blocks(&[0, 0])[0]).await.unwrap();
        stream.finish().unwrap();
        let _ = stream.stopped().await;
    });
    scene.suffers(
        "a stream goes on where its end was expected",
        async |client| {
            let mut stream = client.chunk(PLAIN).await;
            let mut all = blocks(&[0, 1, 2]);
            all.push(chunk_end(&[1, 1, 1]));
            all.push(vec![0]);
            stream.write_all(&all.concat()).await.unwrap();
            let _ = stream.stopped().await;
        },
    );
    scene.completes();
}

/// recv waits for the header beside all else.
#[test]
fn a_stream_without_its_header_holds_no_other_up() {
    let scene = Scene::new("no_header", &["--stall", "2s"]);
    scene.runs(async |client| {
        client.resume().await;
        let mut silent = client.connection.open_uni().await.unwrap();
        silent.write_all(&[8, 0]).await.unwrap();
        let begun = Instant::now();
        let attempt = client.again();
        let mut stream = client.stream(&chunk(attempt)).await;
        stream.write_all(&blocks(&[0])[0]).await.unwrap();
        received(client, 1).await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    });
    scene.is_unharmed();
    scene.completes();
}

/// As long as a stream is open and silent, a transaction would be.
#[test]
fn a_stream_that_is_never_finished_is_rolled_back() {
    let scene = Scene::new("never_finished", &["--stall", "2s"]);
    let all = blocks(&[0, 1, 2]);
    // Inside a header, inside a payload, before the digests, before the stream's end.
    let whole = [all.concat(), chunk_end(&[1, 1, 1])].concat();
    let ends = [
        all[0].len() + 7,
        all[0].len() + 50,
        all.concat().len(),
        whole.len(),
    ];
    for end in ends {
        scene.runs(async |client| {
            let mut stream = client.chunk(PLAIN).await;
            stream.write_all(&whole[..end]).await.unwrap();
            while !matches!(client.hear().await, ToSend::Released { .. }) {}
        });
        scene.is_unharmed();
    }
    scene.completes();
}

#[test]
fn more_streams_than_allowed_cannot_be_opened() {
    let scene = Scene::new("too_many", &[]);
    scene.runs(async |client| {
        client.resume().await;
        let wait = Duration::from_millis(300);
        let mut open = Vec::new();
        while let Ok(stream) = timeout(wait, client.connection.open_uni()).await {
            open.push(stream.unwrap());
        }
        assert!((1..=2 * usize::from(client.jobs)).contains(&open.len()));
        assert!(timeout(wait, client.connection.open_bi()).await.is_err());
    });
    scene.is_unharmed();
    scene.completes();
}

/// The highest number would leave none for the next attempt.
#[test]
fn a_number_that_leaves_none_is_refused() {
    let scene = Scene::new("numbers", &[]);
    for number in [u32::MAX, Attempt::LAST_NUMBER + 1] {
        scene.suffers("more than there can be", async |client| {
            client.resume().await;
            let attempt = Attempt {
                number,
                ..client.again()
            };
            client.stream(&chunk(attempt)).await.finish().unwrap();
        });
    }
    scene.completes();
}
