//! Blocks that are well sealed and lie.

use pgpipe::codec::{ChunkParams, HEADER_LEN};

use crate::rows::{ENCODED, INFLATED, NUMBER, PART, RAW, ROWS, blocks, chunk_end, forge};
use crate::scene::Scene;

impl Scene {
    /// These blocks as the chunk of three parts, and then silence.
    #[track_caller]
    fn refuses(&self, says: &str, params: ChunkParams, blocks: &[Vec<u8>]) {
        self.suffers(says, async |client| {
            let mut stream = client.chunk(params).await;
            let _ = stream.write_all(&blocks.concat()).await;
            // Not reset: recv is to judge what it has.
            let _ = stream.stopped().await;
        });
    }

    #[track_caller]
    fn refuses_plain(&self, says: &str, blocks: &[Vec<u8>]) {
        self.refuses(says, ChunkParams::UNCOMPRESSED, blocks);
    }
}

/// One good block, and one of which a word is changed.
fn forged(at: usize, word: u32) -> Vec<Vec<u8>> {
    let mut all = blocks(&[0, 0]);
    forge(&mut all[1], at, word);
    all
}

#[test]
fn blocks_that_lie_are_refused() {
    let scene = Scene::new("lying_blocks", &[]);
    scene.refuses_plain(
        "a block of part 9, which it does not have",
        &forged(PART, 9),
    );
    scene.refuses_plain("a block of part 4294967295", &forged(PART, u32::MAX));
    scene.refuses_plain("block 7 came where block 1 was due", &forged(NUMBER, 7));
    scene.refuses_plain("a block of 1 rows says that it has 2", &forged(ROWS, 2));
    scene.refuses_plain("raw length", &forged(RAW, u32::MAX));
    scene.refuses_plain("encoded length", &forged(ENCODED, u32::MAX));
    scene.refuses_plain("inflated length", &forged(INFLATED, 4 << 20));
    scene.refuses_plain("checksum that its header states", &forged(32, 1));
    let mut flipped = blocks(&[0]);
    flipped[0][20] ^= 1;
    scene.refuses_plain("header's checksum does not match", &flipped);
    scene.refuses_plain("not a block", &[b"GET / HTTP/1.1\r\n".repeat(8)]);
    scene.completes();
}

#[test]
fn blocks_replayed_or_out_of_order_are_refused() {
    let scene = Scene::new("replayed", &[]);
    let all = blocks(&[0, 0, 1]);
    let replayed = [all[0].clone(), all[1].clone(), all[1].clone()];
    scene.refuses_plain("block 1 came where block 2 was due", &replayed);
    let swapped = [all[0].clone(), all[2].clone()];
    scene.refuses_plain("block 2 came where block 1 was due", &swapped);
    let mut backwards = blocks(&[1, 1]);
    forge(&mut backwards[1], PART, 0);
    scene.refuses_plain("order", &backwards);
    scene.completes();
}

#[test]
fn a_bomb_does_not_go_off() {
    let scene = Scene::new("bomb", &[]);
    let params = ChunkParams::default();
    // 512 MiB of zeros in 50 KiB, in a block that says it has 1,000 bytes, or the most.
    let zeros = vec![0; 512 << 20];
    let payload = zstd::bulk::compress(&zeros, 3).unwrap();
    drop(zeros);
    for length in [payload.len() as u32, 4 << 20] {
        let mut block = blocks(&[0]).swap_remove(0);
        block.truncate(HEADER_LEN);
        for at in [RAW, INFLATED] {
            forge(&mut block, at, length);
        }
        forge(&mut block, ENCODED, payload.len() as u32);
        block.extend(&payload);
        scene.refuses("block 0 does not inflate", params, &[block]);
    }
    scene.completes();
}

#[test]
fn digests_and_counts_must_agree() {
    let scene = Scene::new("digests", &[]);
    for rows in [&[1, 1, 2][..], &[1, 1], &[2, 1, 1, 1], &[]] {
        let mut all = blocks(&[0, 1, 2]);
        all.push(chunk_end(rows));
        scene.suffers("different digests", async |client| {
            let params = ChunkParams::UNCOMPRESSED;
            let mut stream = client.chunk(params).await;
            let _ = stream.write_all(&all.concat()).await;
            let _ = stream.finish();
            let _ = stream.stopped().await;
        });
    }
    scene.completes();
}
