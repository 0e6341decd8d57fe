//! COPY BINARY data in the shapes of oVirt's history: the same entities in the same order each minute.

// Each bench includes this file and uses a part of it.
#![allow(dead_code)]

/// One shape's name and the function that makes about so many bytes of it, in whole tuples.
pub(crate) type Shape = (&'static str, fn(usize) -> Vec<u8>);

pub(crate) const SHAPES: [Shape; 3] = [
    ("vm samples", vm_samples),
    ("disk hourly", disk_hourly),
    ("disk usage", disk_usage),
];

const ENTITIES: u64 = 1000;
const MINUTE_US: u64 = 60_000_000;

/// Cuts whole tuples into blocks of at least `target` bytes, the last one excepted: (bytes, rows).
pub(crate) fn blocks(data: &[u8], target: usize) -> Vec<(&[u8], u32)> {
    let (mut blocks, mut start, mut pos, mut rows) = (Vec::new(), 0, 0, 0);
    while pos < data.len() {
        pos += tuple_len(&data[pos..]);
        rows += 1;
        if pos - start >= target || pos == data.len() {
            blocks.push((&data[start..pos], rows));
            (start, rows) = (pos, 0);
        }
    }
    blocks
}

fn tuple_len(bytes: &[u8]) -> usize {
    let mut pos = 2;
    for _ in 0..u16::from_be_bytes([bytes[0], bytes[1]]) {
        let word = [bytes[pos], bytes[pos + 1], bytes[pos + 2], bytes[pos + 3]];
        pos += 4 + i32::from_be_bytes(word).max(0) as usize;
    }
    pos
}

/// `vm_samples_history`: 15 fields, about 165 bytes; uuids repeat each minute, percentages wander.
pub(crate) fn vm_samples(target: usize) -> Vec<u8> {
    let mut random = Random(1);
    let mut table = Table::new(target);
    let mut load: Vec<(i16, i16)> = (0..ENTITIES)
        .map(|_| (random.below(100) as i16, random.below(100) as i16))
        .collect();
    for row in 0.. {
        let (minute, vm) = (row / ENTITIES, row % ENTITIES);
        let (cpu, memory) = &mut load[vm as usize];
        *cpu = (*cpu + random.below(7) as i16 - 3).clamp(0, 100);
        *memory = (*memory + random.below(3) as i16 - 1).clamp(0, 100);
        table.tuple(15);
        table.field(&(70_000_000 + row).to_be_bytes());
        table.field(&(700_000_000_000_000 + minute * MINUTE_US).to_be_bytes());
        table.field(&uuid(1, vm));
        table.field(&1i16.to_be_bytes());
        table.field(&cpu.to_be_bytes());
        table.field(&memory.to_be_bytes());
        table.field(&60i16.to_be_bytes());
        table.field(&uuid(2, vm % 40));
        table.field(format!("10.{}.{}.{}", vm % 4, vm / 250, vm % 250).as_bytes());
        if vm % 5 == 0 {
            table.field(format!("user{}@internal", vm % 60).as_bytes());
            table.field(&uuid(3, vm % 60));
        } else {
            table.null();
            table.null();
        }
        table.field(&(vm as i32 % 7).to_be_bytes());
        table.field(&3i32.to_be_bytes());
        table.field(&(random.below(1 << 20) * 4096).to_be_bytes());
        table.field(&(2_147_483_648 + vm * 4096).to_be_bytes());
        if table.is_full() {
            break;
        }
    }
    table.bytes
}

/// `vm_disk_hourly_history`: noisy bigint rates, numeric(18,9) latencies, numeric(20,0) counters.
pub(crate) fn disk_hourly(target: usize) -> Vec<u8> {
    let mut random = Random(2);
    let mut table = Table::new(target);
    let mut counter = 1_000_000;
    for row in 0.. {
        let (hour, disk) = (row / ENTITIES, row % ENTITIES);
        table.tuple(13);
        table.field(&(9_000_000 + row).to_be_bytes());
        table.field(&(700_000_000_000_000 + hour * 60 * MINUTE_US).to_be_bytes());
        table.field(&uuid(4, disk));
        table.field(&1i16.to_be_bytes());
        table.field(&60i16.to_be_bytes());
        for _ in 0..2 {
            table.field(&random.below(50_000_000).to_be_bytes());
        }
        for _ in 0..3 {
            let nanos = random.below(40_000_000);
            table.numeric(nanos / 1_000_000_000, nanos % 1_000_000_000, 9);
        }
        counter += random.below(100_000);
        table.numeric(counter, 0, 0);
        table.field(&(disk as i32 % 3).to_be_bytes());
        table.null();
        if table.is_full() {
            break;
        }
    }
    table.bytes
}

/// `vm_disks_usage_samples_history`: a JSON text that repeats per VM, 5000 VMs: 4 MB a minute.
pub(crate) fn disk_usage(target: usize) -> Vec<u8> {
    const VMS: u64 = 5 * ENTITIES;
    let mut random = Random(3);
    let mut table = Table::new(target);
    let mut texts: Vec<_> = (0..VMS).map(|_| usage_json(&mut random)).collect();
    for row in 0.. {
        let (minute, vm) = (row / VMS, row % VMS);
        if random.below(50) == 0 {
            texts[vm as usize] = usage_json(&mut random);
        }
        table.tuple(4);
        table.field(&(300_000_000 + row).to_be_bytes());
        table.field(&(700_000_000_000_000 + minute * MINUTE_US).to_be_bytes());
        table.field(&uuid(1, vm));
        table.field(texts[vm as usize].as_bytes());
        if table.is_full() {
            break;
        }
    }
    table.bytes
}

fn usage_json(random: &mut Random) -> String {
    let disks = ["/", "/boot", "/var", "/home", "/var/lib/pgsql", "/tmp"].map(|path| {
        let (total, used) = (random.below(1 << 40), random.below(1 << 40));
        format!(r#"{{"path":"{path}","total":"{total}","fs":"xfs","used":"{used}"}}"#)
    });
    let used = 2 + random.below(5) as usize;
    format!("[{}]", disks[..used].join(","))
}

/// COPY BINARY tuples under construction.
struct Table {
    bytes: Vec<u8>,
    target: usize,
}

impl Table {
    fn new(target: usize) -> Self {
        let bytes = Vec::with_capacity(target + 4096);
        Self { bytes, target }
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= self.target
    }

    fn tuple(&mut self, fields: i16) {
        self.bytes.extend(fields.to_be_bytes());
    }

    fn null(&mut self) {
        self.bytes.extend((-1i32).to_be_bytes());
    }

    fn field(&mut self, value: &[u8]) {
        self.bytes.extend((value.len() as i32).to_be_bytes());
        self.bytes.extend(value);
    }

    /// A non-negative numeric as `numeric_send` writes it: base-10000 digits, zeros trimmed.
    fn numeric(&mut self, integer: u64, billionths: u64, scale: u16) {
        let mut digits = Vec::new();
        let mut rest = integer;
        while rest > 0 {
            digits.insert(0, (rest % 10_000) as u16);
            rest /= 10_000;
        }
        let mut weight = digits.len() as i16 - 1;
        let padded = billionths * 1000;
        digits.extend([
            (padded / 100_000_000) as u16,
            (padded / 10_000 % 10_000) as u16,
            (padded % 10_000) as u16,
        ]);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        let mut value = Vec::with_capacity(8 + digits.len() * 2);
        value.extend((digits.len() as i16).to_be_bytes());
        value.extend(weight.to_be_bytes());
        value.extend(0u16.to_be_bytes());
        value.extend(scale.to_be_bytes());
        value.extend(digits.iter().flat_map(|d| d.to_be_bytes()));
        self.field(&value);
    }
}

/// Entity `n` of a family, always the same.
fn uuid(family: u64, n: u64) -> [u8; 16] {
    let mut random = Random(family << 32 | n);
    let mut uuid = [0; 16];
    uuid[..8].copy_from_slice(&random.next().to_be_bytes());
    uuid[8..].copy_from_slice(&random.next().to_be_bytes());
    uuid
}

/// SplitMix64: the same data on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
