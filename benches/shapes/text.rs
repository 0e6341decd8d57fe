//! What hardly repeats: random bytes, and prose of a generated vocabulary.

use super::random::{Random, Zipf};
use super::table::Table;

/// An id and 200 to 2000 random bytes.
pub(crate) fn random_bytea(target: usize) -> Vec<u8> {
    let mut random = Random(5);
    let mut table = Table::new(target);
    let mut id = 1u64;
    while !table.is_full() {
        let len = 200 + random.below(1801) as usize;
        let mut value = Vec::with_capacity(len + 8);
        while value.len() < len {
            value.extend(random.next().to_le_bytes());
        }
        table.tuple(2);
        table.field(&id.to_be_bytes());
        table.field(&value[..len]);
        id += 1;
    }
    table.bytes
}

/// An id and 300 to 900 bytes of prose, never the same.
pub(crate) fn unique_text(target: usize) -> Vec<u8> {
    let mut random = Random(6);
    let vocabulary = Vocabulary::new(&mut random);
    let mut table = Table::new(target);
    let mut id = 1u64;
    while !table.is_full() {
        let len = 300 + random.below(601) as usize;
        table.tuple(2);
        table.field(&id.to_be_bytes());
        table.field(vocabulary.prose(&mut random, len).as_bytes());
        id += 1;
    }
    table.bytes
}

const WORDS: usize = 20_000;

/// Made-up words, the frequent ones short.
pub(crate) struct Vocabulary {
    words: Vec<String>,
    zipf: Zipf,
}

impl Vocabulary {
    pub(crate) fn new(random: &mut Random) -> Self {
        let word = |rank| word(random, 1 + (rank as u64 + 2).ilog2() / 6);
        Self {
            words: (0..WORDS).map(word).collect(),
            zipf: Zipf::new(WORDS),
        }
    }

    pub(crate) fn word(&self, random: &mut Random) -> &str {
        &self.words[self.zipf.draw(random)]
    }

    /// Sentences of exactly `len` bytes; the last one is cut off.
    pub(crate) fn prose(&self, random: &mut Random, len: usize) -> String {
        let mut text = String::with_capacity(len + 32);
        while text.len() < len {
            self.sentence(random, &mut text);
        }
        text.truncate(len);
        text
    }

    fn sentence(&self, random: &mut Random, text: &mut String) {
        let words = 4 + random.below(20);
        for at in 0..words {
            let word = self.word(random);
            let (first, rest) = word.split_at(1);
            text.push_str(&if at == 0 {
                first.to_uppercase()
            } else {
                first.to_owned()
            });
            text.push_str(rest);
            if at + 1 < words {
                text.push_str(if random.percent(8) { ", " } else { " " });
            }
        }
        text.push_str(random.pick(&[". ", ". ", ". ", ". ", "? ", "! ", ".\n"]));
    }
}

/// A word of so many syllables, give or take one.
pub(crate) fn word(random: &mut Random, syllables: u32) -> String {
    const ONSETS: [&str; 24] = [
        "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr",
        "pr", "ch", "th", "sh", "cl", "gr", "",
    ];
    const VOWELS: [&str; 9] = ["a", "e", "i", "o", "u", "ea", "ou", "io", "y"];
    const CODAS: [&str; 12] = ["", "", "", "n", "r", "s", "t", "l", "ng", "nd", "rs", "m"];
    let mut word = String::new();
    for _ in 0..syllables + random.below(2) as u32 {
        for part in [&ONSETS[..], &VOWELS[..], &CODAS[..]] {
            word.push_str(random.pick(part));
        }
    }
    word
}
