//! How recv ends where it was not told to stay.

use pgpipe::codec::ChunkParams;
use pgpipe::wire::message::ToRecv;

use crate::rows::{ROWS, blocks, forge};
use crate::scene::Scene;

#[test]
fn a_message_out_of_turn_ends_recv_with_1() {
    let scene = Scene::without_stay("ends_turn", &[]);
    scene.ends(1, "expected Greet", async |client| {
        client.say(ToRecv::Bye).await
    });
}

#[test]
fn an_oversized_message_ends_recv_with_1() {
    let scene = Scene::without_stay("ends_size", &[]);
    scene.ends(1, "is longer than", async |client| {
        client.bytes(&[0xff; 8]).await
    });
}

#[test]
fn a_lying_block_ends_recv_with_1() {
    let scene = Scene::without_stay("ends_lie", &[]);
    scene.ends(1, "says that it has 2", async |client| {
        let mut stream = client.chunk(ChunkParams::UNCOMPRESSED).await;
        let mut block = blocks(&[0]).swap_remove(0);
        forge(&mut block, ROWS, 2);
        stream.write_all(&block).await.unwrap();
        let _ = stream.stopped().await;
    });
}
