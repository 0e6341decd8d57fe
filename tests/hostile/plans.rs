//! Offers that are not what they say, or more than fits.

use pgpipe::chunk::{ChunkId, Plan, TableIndex};
use pgpipe::wire::message::{BlobInfo, Offer, StreamHeader, ToRecv};
use twox_hash::XxHash3_128;

use crate::client::Client;
use crate::scene::Scene;

/// Offers these bytes as the plan.
async fn offer_plan(client: &mut Client, bytes: &[u8]) {
    let plan = BlobInfo {
        bytes: bytes.len() as u64,
        digest: XxHash3_128::oneshot(bytes),
    };
    let offer = Offer {
        plan,
        ..client.loot.offer.clone()
    };
    let archive = client.loot.archive.clone();
    client.greet().await;
    client.say(ToRecv::Offer(offer)).await;
    let (_, needs_archive) = client.needed().await;
    client.file(StreamHeader::Plan, bytes).await;
    if needs_archive {
        client.file(StreamHeader::Archive, &archive).await;
    }
}

fn changed(plan: &Plan, change: impl FnOnce(&mut Plan)) -> Vec<u8> {
    let mut plan = plan.clone();
    change(&mut plan);
    postcard::to_allocvec(&plan).unwrap()
}

#[test]
fn a_plan_that_contradicts_itself_is_refused() {
    let scene = Scene::new("bad_plan", &[]);
    let plan = &scene.loot.plan;
    for bytes in [
        changed(plan, |plan| plan.chunks[0].id = ChunkId(1)),
        changed(plan, |plan| plan.chunks[0].parts.clear()),
        changed(plan, |plan| {
            plan.chunks[0].parts[0].table = TableIndex(9999)
        }),
    ] {
        let says = "the plan contradicts itself";
        scene.suffers(says, async |client| offer_plan(client, &bytes).await);
    }
    let says = "the plan cannot be decoded";
    scene.suffers(says, async |client| {
        offer_plan(client, b"\xff\xff\xff").await
    });
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    scene.suffers(says, async |client| offer_plan(client, &huge).await);
    // Twelve million bytes, of which each two would be a part of 70.
    let mut bomb = postcard::to_allocvec(&(0_u8, 1_u8, 0_u8, 6_000_000_u32)).unwrap();
    bomb.extend(vec![0; 2 * 6_000_000 + 2]);
    let says = "more tables or chunks than fit";
    scene.suffers(says, async |client| offer_plan(client, &bomb).await);
    let absent = changed(plan, |plan| plan.tables[0].name.name = "absent".into());
    let says = "cannot create table public.absent";
    scene.suffers(says, async |client| offer_plan(client, &absent).await);
    // The journal is that plan's now, and says so.
    scene.suffers("plan", async |client| {
        client.greet().await;
        client.offer().await;
    });
}

#[test]
fn files_that_are_not_what_was_offered_are_refused() {
    let scene = Scene::new("bad_files", &[]);
    scene.suffers("whose digest is not the offered one", async |client| {
        client.greet().await;
        client.say(ToRecv::Offer(client.loot.offer.clone())).await;
        client.needed().await;
        let wrong = vec![0; client.loot.plan_bytes.len()];
        client.file(StreamHeader::Plan, &wrong).await;
    });
    for (plan, archive) in [(u64::MAX, 10), (10, u64::MAX)] {
        scene.suffers("send offered more than fits", async |client| {
            let mut offer = client.loot.offer.clone();
            offer.plan.bytes = plan;
            offer.archive.bytes = archive;
            client.greet().await;
            client.say(ToRecv::Offer(offer)).await;
        });
    }
    scene.suffers("a stream that was not asked for", async |client| {
        client.greet().await;
        client.say(ToRecv::Offer(client.loot.offer.clone())).await;
        client.needed().await;
        let plan = client.loot.plan_bytes.clone();
        client.file(StreamHeader::Plan, &plan).await;
        client.file(StreamHeader::Plan, &plan).await;
    });
    scene.suffers("archive", async |client| {
        let mut offer = client.loot.offer.clone();
        offer.archive.bytes = 9;
        offer.archive.digest = XxHash3_128::oneshot(b"no schema");
        client.greet().await;
        client.say(ToRecv::Offer(offer)).await;
        let (plan, _) = client.needed().await;
        if plan {
            let bytes = client.loot.plan_bytes.clone();
            client.file(StreamHeader::Plan, &bytes).await;
        }
        client.file(StreamHeader::Archive, b"no schema").await;
    });
    scene.completes();
}
