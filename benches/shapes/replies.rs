//! What servers answer to mail that they do not take.

use super::random::Random;

/// Our addresses, which some replies name.
const SENDERS: u64 = 30;

/// How a domain's servers end each of their replies.
pub(super) const ENDINGS: [&str; 5] = [
    "",
    " [{ip}]",
    " {id} - gsmtp",
    "; see https://postmaster.example.com/help",
    " (in reply to RCPT TO command)",
];

/// Bounce class and reply; with the endings 200 templates of 20 classes.
pub(super) const REPLIES: [(i16, &str); 40] = [
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

/// Puts values in the places of a reply.
pub(super) fn fill(template: &str, domain: &str, random: &mut Random) -> String {
    let mut pieces = template.split('{');
    let mut reply = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (place, rest) = piece.split_once('}').expect("a place is closed");
        reply += &match place {
            "rcpt" => format!("user{}@{domain}", random.below(100_000)),
            "domain" => domain.to_owned(),
            "ip" => format!("203.0.113.{}", random.below(SENDERS)),
            "id" => format!("{:010x}", random.next() >> 24),
            "n" => (60 + random.below(5000)).to_string(),
            _ => unreachable!("there is no such place"),
        };
        reply += rest;
    }
    reply
}
