//! The fuzz targets on stable Rust: the committed seeds, and seeded mutations of them.
//!
//! `cargo fuzz` goes further, see `fuzz/README.md`; this keeps every commit from falling behind it.

#[path = "../fuzz/seeds.rs"]
mod seeds;
#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::PathBuf;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 6] = [
    ("scan_tuples", targets::scan_tuples),
    ("decode_block", targets::decode_block),
    ("decode_columns", pgpipe::codec::fuzz_columns),
    ("round_trip", targets::round_trip),
    ("decode_message", pgpipe::wire::fuzz_decode),
    ("decode_plan", pgpipe::chunk::fuzz_plan),
];

/// Mutations of each seed: about two seconds in all.
const ROUNDS: u64 = 20_000;

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

#[test]
fn every_seed_is_committed() {
    let write = std::env::var_os("PGPIPE_WRITE_SEEDS").is_some();
    for (target, name, bytes) in seeds::seeds() {
        let path = corpus(target).join(name);
        if write {
            fs::create_dir_all(corpus(target)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(path.exists(), "{path:?}: run with PGPIPE_WRITE_SEEDS=1");
    }
}

#[test]
fn seeds_and_their_mutations_keep_the_promises() {
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(corpus(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            target(&seed);
            for round in 0..ROUNDS {
                target(&mutate(&seed, round));
            }
            seeds += 1;
        }
        assert!(seeds > 0, "no seeds for {name}");
    }
}

/// One to four changes of `seed`, the same for the same round.
fn mutate(seed: &[u8], round: u64) -> Vec<u8> {
    const EDGES: [u8; 6] = [0, 1, 0x3f, 0x7f, 0x80, 0xff];
    let mut random = Random(round);
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = EDGES[random.below(EDGES.len())],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.below(256) as u8),
            4 => drop(bytes.remove(at)),
            _ => {
                let end = (at + random.below(64)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

/// SplitMix64: the same mutations on every run, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
