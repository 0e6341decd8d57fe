//! A wide table of an application: 80 columns of all kinds, two in five values null.

use super::random::Random;
use super::table::Table;
use super::text::Vocabulary;

#[derive(Clone, Copy)]
enum Kind {
    Id,
    /// A foreign key, bigint.
    Key(u64),
    /// An integer about so large.
    Count(f64),
    Status,
    /// True in so many of a hundred.
    Bool(u64),
    Label,
    Name,
    Prose,
    Created,
    Updated,
    Moment,
    Date,
    Amount,
    Uuid,
    Json,
    Inet,
    Float,
}

/// For each kind its columns, by how many of a hundred values are null.
const COLUMNS: [(Kind, &[u64]); 20] = [
    (Kind::Id, &[0]),
    (Kind::Key(50_000), &[0, 0, 30, 60, 85]),
    (Kind::Key(300), &[0, 10, 45]),
    (Kind::Count(5.0), &[0, 20, 50, 90, 95]),
    (Kind::Count(20_000.0), &[35, 50, 70, 80]),
    (Kind::Status, &[0, 0, 30, 65]),
    (Kind::Bool(2), &[0, 0, 10, 40, 80]),
    (Kind::Bool(40), &[0, 0, 20, 60, 95]),
    (Kind::Label, &[0, 0, 10, 30, 55, 80, 95]),
    (Kind::Name, &[0, 5, 10, 20, 30, 40, 60, 75, 90]),
    (Kind::Prose, &[35, 70, 85, 92]),
    (Kind::Created, &[0]),
    (Kind::Updated, &[0, 15]),
    (Kind::Moment, &[30, 50, 70, 90]),
    (Kind::Date, &[40, 75]),
    (Kind::Amount, &[0, 20, 30, 45, 60, 70]),
    (Kind::Uuid, &[0, 0, 40, 80]),
    (Kind::Json, &[10, 55, 85]),
    (Kind::Inet, &[20, 70]),
    (Kind::Float, &[10, 35, 60, 80]),
];

pub(crate) fn wide_mixed(target: usize) -> Vec<u8> {
    let mut random = Random(7);
    let mut rows = Rows {
        vocabulary: Vocabulary::new(&mut random),
        random,
        id: 48_000_000,
        created_us: 730_000_000_000_000,
    };
    let columns = columns(&mut rows.random);
    let mut table = Table::new(target);
    while !table.is_full() {
        rows.next();
        table.tuple(columns.len() as i16);
        for &(kind, null) in &columns {
            if rows.random.percent(null) {
                table.null();
            } else {
                rows.write(kind, &mut table);
            }
        }
    }
    table.bytes
}

/// The id first, all others mixed.
fn columns(random: &mut Random) -> Vec<(Kind, u64)> {
    let each = |(kind, nulls): (Kind, &'static [u64])| nulls.iter().map(move |&null| (kind, null));
    let mut columns: Vec<_> = COLUMNS.into_iter().flat_map(each).collect();
    random.shuffle(&mut columns[1..]);
    columns
}

/// Rows in the order in which they came.
struct Rows {
    random: Random,
    vocabulary: Vocabulary,
    id: i64,
    created_us: i64,
}

impl Rows {
    fn next(&mut self) {
        // A few are missing: rolled back, or deleted since.
        self.id += 1 + i64::from(self.random.percent(4));
        self.created_us += self.random.count(3_000_000.0) as i64;
    }

    fn write(&mut self, kind: Kind, table: &mut Table) {
        let random = &mut self.random;
        match kind {
            Kind::Id => table.field(&self.id.to_be_bytes()),
            Kind::Key(limit) => table.field(&(1 + skewed(random, limit)).to_be_bytes()),
            Kind::Count(mean) => table.field(&random.count(mean).to_be_bytes()),
            Kind::Status => table.field(&(skewed(random, 8) as i16).to_be_bytes()),
            Kind::Bool(percent) => table.field(&[u8::from(random.percent(percent))]),
            Kind::Label => table.field(LABELS[skewed(random, 8) as usize].as_bytes()),
            Kind::Created => table.field(&self.created_us.to_be_bytes()),
            Kind::Updated => {
                let later_us = skewed(random, 90 * DAY_US) as i64;
                table.field(&(self.created_us + later_us).to_be_bytes());
            }
            // To the second, as a form or another system gives it.
            Kind::Moment => {
                let earlier_s = skewed(random, 90 * DAY_US) as i64 / 1_000_000;
                table.field(&((self.created_us / 1_000_000 - earlier_s) * 1_000_000).to_be_bytes());
            }
            Kind::Date => table.field(&(random.below(9000) as i32).to_be_bytes()),
            Kind::Amount => write_amount(random, table),
            Kind::Uuid => table.field(&uuid(random)),
            Kind::Inet => table.field(&inet(random)),
            Kind::Float => table.field(&(random.unit() * 1000.0 * random.unit()).to_be_bytes()),
            Kind::Name | Kind::Prose | Kind::Json => self.write_text(kind, table),
        }
    }

    fn write_text(&mut self, kind: Kind, table: &mut Table) {
        let (random, vocabulary) = (&mut self.random, &self.vocabulary);
        let text = match kind {
            Kind::Json => json(random, vocabulary),
            Kind::Prose => {
                let len = 40 + skewed(random, 400) as usize;
                vocabulary.prose(random, len)
            }
            _ => {
                let first = vocabulary.word(random).to_owned();
                [&first, " ", vocabulary.word(random)].concat()
            }
        };
        table.field(text.as_bytes());
    }
}

const DAY_US: u64 = 86_400_000_000;

const LABELS: [&str; 8] = [
    "active",
    "pending",
    "closed",
    "in_progress",
    "cancelled",
    "archived",
    "needs_review",
    "on_hold",
];

/// Below `limit`, small values more often.
fn skewed(random: &mut Random, limit: u64) -> u64 {
    (random.unit() * random.unit() * limit as f64) as u64
}

/// A price as it was typed, most with two decimals.
fn write_amount(random: &mut Random, table: &mut Table) {
    let scale = random.pick(&[0, 1, 2, 2, 2, 2, 2, 4]);
    let integer = skewed(random, 10_000);
    let fraction = random.below(10u64.pow(u32::from(scale)));
    table.numeric(integer, fraction * 10u64.pow(9 - u32::from(scale)), scale);
}

/// Version 4.
fn uuid(random: &mut Random) -> [u8; 16] {
    let mut uuid = [0; 16];
    uuid[..8].copy_from_slice(&random.next().to_be_bytes());
    uuid[8..].copy_from_slice(&random.next().to_be_bytes());
    uuid[6] = 0x40 | uuid[6] & 0x0f;
    uuid[8] = 0x80 | uuid[8] & 0x3f;
    uuid
}

/// As `inet_send` writes it: family, bits, not a cidr, length, address.
fn inet(random: &mut Random) -> [u8; 8] {
    let [.., a, b, c] = random.next().to_be_bytes();
    [2, 32, 0, 4, 10 + a % 80, b % 16, b, c]
}

/// As `jsonb_send` writes it: version 1, then the text with its keys by length.
fn json(random: &mut Random, vocabulary: &Vocabulary) -> String {
    let source = random.pick(&["web", "app", "import", "api", "partner"]);
    let tags = [(); 2].map(|()| vocabulary.word(random).to_owned());
    let (score, retries) = (random.below(1000), random.count(0.3));
    let mut text = format!(
        "\u{1}{{\"tags\": [\"{}\", \"{}\"], \"score\": 0.{score:03}, \"source\": \"{source}\"",
        tags[0], tags[1],
    );
    if retries > 0 {
        text += &format!(", \"retries\": {retries}");
    }
    if random.percent(30) {
        text += &format!(", \"session\": \"{:016x}\"", random.next());
    }
    text + "}"
}
