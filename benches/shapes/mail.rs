//! Statistics of a mail system in the shape of Momentum's: counters per window, node, domain and binding.

use super::random::{Random, Zipf};
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
        let domains = (0..DOMAINS).map(|_| Domain::new(random)).collect();
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
            let mean = 400.0 / ((domain + 1) * (nth % 6 + 1)) as f64;
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
    fn new(random: &mut Random) -> Self {
        let tld = random.pick(&["com", "com", "com", "net", "org", "de", "co.uk", "fr"]);
        let syllables = 2 + random.below(3) as u32;
        Self {
            id: 1000 + random.below(60_000) as i32,
            name: format!("{}.{tld}", word(random, syllables)),
            ending: random.pick(&ENDINGS),
            transient: if random.percent(10) { 0.4 } else { 0.03 } * random.unit(),
            permanent: 0.04 * random.unit() * random.unit(),
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

/// Puts values in the places of a reply.
fn fill(template: &str, domain: &str, random: &mut Random) -> String {
    let mut pieces = template.split('{');
    let mut reply = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (place, rest) = piece.split_once('}').expect("a place is closed");
        reply += &match place {
            "rcpt" => format!("user{}@{domain}", random.below(100_000)),
            "domain" => domain.to_owned(),
            "ip" => format!("203.0.113.{}", random.below(BINDINGS as u64)),
            "id" => format!("{:010x}", random.next() >> 24),
            "n" => (60 + random.below(5000)).to_string(),
            _ => unreachable!("there is no such place"),
        };
        reply += rest;
    }
    reply
}

const ENDINGS: [&str; 5] = [
    "",
    " [{ip}]",
    " {id} - gsmtp",
    "; see https://postmaster.example.com/help",
    " (in reply to RCPT TO command)",
];

/// Bounce class and reply; with the endings 200 templates of 20 classes.
const REPLIES: [(i16, &str); 40] = [
    (1, "554 5.0.0 undetermined failure {id}"),
    (
        10,
        "550 5.1.1 <{rcpt}>: Recipient address rejected: User unknown in virtual mailbox table",
    ),
    (
        10,
        "550 5.1.1 The email account that you tried to reach does not exist",
    ),
    (10, "550 5.1.1 {rcpt} User unknown"),
    (10, "550 5.2.1 The mailbox for {rcpt} is disabled"),
    (10, "550 No such user here"),
    (10, "511 5.1.1 unknown address or alias: {rcpt}"),
    (
        10,
        "554 5.7.1 <{rcpt}>: Relay access denied, recipient unknown",
    ),
    (20, "451 4.3.0 Temporary system problem, try again later"),
    (20, "452 4.3.1 Insufficient system storage"),
    (
        21,
        "512 5.1.2 Bad destination host: DNS Hard Error looking up {domain} (MX): NXDomain",
    ),
    (
        21,
        "451 4.4.4 DNS failure looking up {domain} (MX): SERVFAIL",
    ),
    (
        22,
        "552 5.2.2 <{rcpt}>: Mailbox is full / Blocks limit exceeded / Inode limit exceeded",
    ),
    (
        22,
        "552-5.2.2 The email account that you tried to reach is over quota",
    ),
    (22, "452 4.2.2 Mailbox full"),
    (23, "552 5.3.4 Message size {n}000 exceeds fixed limit"),
    (24, "421 4.4.1 [internal] connection timed out to {domain}"),
    (
        24,
        "451 4.4.2 [internal] message expired in queue (timeout) after {n} s",
    ),
    (
        25,
        "554 5.7.0 Administratively rejected by local policy {id}",
    ),
    (
        25,
        "550 5.7.1 Mail from {ip} not accepted: administrative prohibition",
    ),
    (30, "550 Requested action not taken: mailbox unavailable"),
    (40, "500 5.5.1 Command unrecognized"),
    (
        50,
        "550 5.7.1 Service unavailable; Client host [{ip}] blocked using a block list",
    ),
    (
        50,
        "554 5.7.1 Your access to this mail system has been rejected: poor reputation of {ip}, {id}",
    ),
    (51, "554 5.7.1 [{ip}] listed; ask for removal with {id}"),
    (51, "550 5.7.606 Access denied, banned sending IP [{ip}]"),
    (
        52,
        "550 5.7.1 Message contains spam or virus. Reference {id}",
    ),
    (
        52,
        "554 5.7.1 The message was rejected because it has been identified as spam, score {n}",
    ),
    (53, "552 5.7.0 Prohibited attachment type found"),
    (54, "550 5.7.1 Unable to relay for {rcpt}"),
    (54, "550 relaying denied"),
    (60, "250 auto reply: out of office {rcpt}"),
    (
        70,
        "421 4.7.0 [{ip}] Our system has detected an unusual rate of mail; temporarily rate limited",
    ),
    (
        70,
        "450 4.2.0 <{rcpt}>: Recipient address rejected: Greylisted, try again in {n} seconds",
    ),
    (70, "421 4.7.1 Too many concurrent connections from {ip}"),
    (
        70,
        "451 4.7.650 The mail server [{ip}] has been temporarily rate limited",
    ),
    (
        70,
        "421 Service not available, closing transmission channel",
    ),
    (80, "250 subscribe request {id}"),
    (90, "250 unsubscribe request {id}"),
    (
        100,
        "250 challenge response required, visit the link for {id}",
    ),
];
