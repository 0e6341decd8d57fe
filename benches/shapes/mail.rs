//! Statistics of a mail system in the shape of Momentum's: counters per window, node, domain and binding.

use super::random::{Random, Zipf};
use super::replies::{ENDINGS, REPLIES, fill};
use super::table::Table;
use super::text::word;

const WINDOW_US: u64 = 300_000_000;
const NODES: usize = 8;
const BINDINGS: usize = 30;
const DOMAINS: usize = 3000;

/// `mail_stats`: 18 fields; every five minutes each node writes what it counted, hash table by hash table.
pub(crate) fn mail_stats(target: usize) -> Vec<u8> {
    let mut random = Random(4);
    let mail = Mail::new(&mut random);
    let mut table = Table::new(target);
    let mut nodes: Vec<_> = (0..NODES)
        .map(|node| Node::new(node, &mail, &mut random))
        .collect();
    for window in 0.. {
        // Whoever is ready first.
        random.shuffle(&mut nodes);
        for node in &mut nodes {
            mail.write(node, window, &mut random, &mut table);
            if table.is_full() {
                return table.bytes;
            }
        }
    }
    unreachable!("windows do not end")
}

/// Who sends to whom.
struct Mail {
    domains: Vec<Domain>,
    bindings: Vec<String>,
    flows: Vec<Flow>,
    replies: Zipf,
}

struct Domain {
    id: i32,
    name: String,
    /// Which of the endings its servers give their replies.
    ending: &'static str,
    transient: f64,
    permanent: f64,
    latency_s: f64,
}

/// One domain through one binding.
struct Flow {
    domain: usize,
    binding: usize,
    /// Messages in a window of one node.
    mean: f64,
}

struct Node {
    number: usize,
    /// Its hash table's order of the flows, and how many messages wait in each.
    flows: Vec<(usize, i32)>,
}

impl Node {
    fn new(number: usize, mail: &Mail, random: &mut Random) -> Self {
        let mut flows: Vec<_> = (0..mail.flows.len()).map(|flow| (flow, 0)).collect();
        random.shuffle(&mut flows);
        Self { number, flows }
    }
}

impl Mail {
    fn new(random: &mut Random) -> Self {
        let mut domains: Vec<_> = (0..DOMAINS).map(|nth| Domain::new(nth, random)).collect();
        // By traffic, not by age.
        random.shuffle(&mut domains);
        let binding = |n| format!("{}-pool-{:02}", ["bulk", "trans", "corp"][n % 3], n / 3);
        Self {
            domains,
            bindings: (0..BINDINGS).map(binding).collect(),
            flows: flows(random),
            replies: Zipf::new(REPLIES.len()),
        }
    }

    /// One window of one node: a row for each flow in which anything happened.
    fn write(&self, node: &mut Node, window: u64, random: &mut Random, table: &mut Table) {
        // The day's wave, from 0.5 at night to 1.5 at noon.
        let hour = (window % 288) as f64 / 12.0;
        let wave = 0.5 + (12.0 - (hour - 12.0).abs()) / 12.0;
        for (flow, delayed) in &mut node.flows {
            let flow = &self.flows[*flow];
            let domain = &self.domains[flow.domain];
            let counters = Counters::draw(flow.mean * wave, domain, delayed, random);
            if counters.is_idle() || table.is_full() {
                continue;
            }
            table.tuple(18);
            self.write_key(node.number, window, flow, table);
            counters.write(domain, random, table);
            self.write_bounce(&counters, domain, random, table);
        }
    }

    fn write_key(&self, node: usize, window: u64, flow: &Flow, table: &mut Table) {
        let domain = &self.domains[flow.domain];
        table.field(&(740_000_000_000_000 + window * WINDOW_US).to_be_bytes());
        table.field(&(node as i16 + 1).to_be_bytes());
        table.field(&(node as i16 / 4 + 1).to_be_bytes());
        table.field(&domain.id.to_be_bytes());
        table.field(&(flow.binding as i32 + 1).to_be_bytes());
        table.field(self.bindings[flow.binding].as_bytes());
        table.field(domain.name.as_bytes());
    }

    /// Class and text of the last bounce, if there was one.
    fn write_bounce(
        &self,
        counters: &Counters,
        domain: &Domain,
        random: &mut Random,
        table: &mut Table,
    ) {
        if counters.bounces() == 0 {
            table.null();
            table.null();
            return;
        }
        // The list is by class; what is frequent is not.
        let (class, reply) = REPLIES[self.replies.draw(random) * 7 % REPLIES.len()];
        table.field(&class.to_be_bytes());
        let reply = fill(&[reply, domain.ending].concat(), &domain.name, random);
        table.field(reply.as_bytes());
    }
}

/// Large domains are sent to through many bindings, small ones through one or two.
fn flows(random: &mut Random) -> Vec<Flow> {
    let mut flows = Vec::new();
    for domain in 0..DOMAINS {
        let bindings = 1 + 29 * 40 / (40 + domain);
        let first = random.below(BINDINGS as u64) as usize;
        for nth in 0..bindings {
            // Half of all mail goes to a few domains; to most, less than one message in a window.
            let mean = 8000.0 / ((domain + 1) * (1 + domain / 100) * (nth % 6 + 1)) as f64;
            let binding = (first + nth) % BINDINGS;
            flows.push(Flow {
                domain,
                binding,
                mean,
            });
        }
    }
    flows
}

impl Domain {
    fn new(nth: usize, random: &mut Random) -> Self {
        let tld = random.pick(&["com", "com", "com", "net", "org", "de", "co.uk", "fr"]);
        let syllables = 2 + random.below(3) as u32;
        Self {
            id: 1000 + 9 * nth as i32 + random.below(9) as i32,
            name: format!("{}.{tld}", word(random, syllables)),
            ending: random.pick(&ENDINGS),
            transient: if random.percent(10) { 0.4 } else { 0.03 } * random.unit(),
            permanent: 0.1 * random.unit() * random.unit(),
            latency_s: 0.1 + 3.0 * random.unit() * random.unit(),
        }
    }
}

/// What a node counted for a flow in a window.
struct Counters {
    deliveries: i32,
    receptions: i32,
    transient: i32,
    permanent: i32,
    in_band: i32,
    out_of_band: i32,
    active: i32,
    delayed: i32,
}

impl Counters {
    fn draw(mean: f64, domain: &Domain, delayed: &mut i32, random: &mut Random) -> Self {
        let receptions = random.count(mean);
        let permanent = random
            .count(f64::from(receptions) * domain.permanent)
            .min(receptions);
        let retried = random.count(f64::from(*delayed) * 0.5).min(*delayed);
        let tries = receptions - permanent + retried;
        let transient = random.count(f64::from(tries) * domain.transient).min(tries);
        let expired = random
            .count(f64::from(*delayed) * 0.01)
            .min(*delayed - retried);
        *delayed += transient - retried - expired;
        Self {
            deliveries: tries - transient,
            receptions,
            transient,
            permanent,
            in_band: permanent + expired,
            out_of_band: random.count(f64::from(tries) * 0.002),
            active: random.count(f64::from(tries) * 0.02),
            delayed: *delayed,
        }
    }

    fn is_idle(&self) -> bool {
        self.receptions + self.deliveries + self.transient + self.bounces() == 0
    }

    fn bounces(&self) -> i32 {
        self.in_band + self.out_of_band
    }

    /// The counters and the mean delivery time, a quotient of microseconds.
    fn write(&self, domain: &Domain, random: &mut Random, table: &mut Table) {
        for counter in [
            self.deliveries,
            self.receptions,
            self.transient,
            self.permanent,
            self.in_band,
            self.out_of_band,
            self.active,
            self.delayed,
        ] {
            table.field(&counter.to_be_bytes());
        }
        if self.deliveries == 0 {
            return table.null();
        }
        let sum_us = f64::from(self.deliveries) * domain.latency_s * 1e6 * (0.5 + random.unit());
        let mean_s = sum_us.trunc() / f64::from(self.deliveries) / 1e6;
        table.field(&mean_s.to_be_bytes());
    }
}
