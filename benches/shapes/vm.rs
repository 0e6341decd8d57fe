//! oVirt's history: the same entities in the same order each minute.

use super::random::Random;
use super::table::Table;

const ENTITIES: u64 = 1000;
const MINUTE_US: u64 = 60_000_000;

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

/// Entity `n` of a family, always the same.
fn uuid(family: u64, n: u64) -> [u8; 16] {
    let mut random = Random(family << 32 | n);
    let mut uuid = [0; 16];
    uuid[..8].copy_from_slice(&random.next().to_be_bytes());
    uuid[8..].copy_from_slice(&random.next().to_be_bytes());
    uuid
}
