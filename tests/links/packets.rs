//! Single packets: lost, doubled, overtaken. QUIC's own work; the connection holds.

use std::sync::atomic::Ordering;

use crate::support::{CLEAR, Way, Weather};
use crate::{Link, has_lost};

fn under(name: &str, weather: Weather) -> Link {
    let link = Link::new(name);
    link.relay.set(weather);
    let (send, recv) = link.start();
    let (send, recv) = link.finish(send, recv);
    assert!(!has_lost(&send), "{}", send.output());
    assert!(!has_lost(&recv), "{}", recv.output());
    link
}

#[test]
fn every_tenth_packet_is_lost() {
    let weather = Weather { lost: 100, ..CLEAR };
    let link = under("lossy", weather);
    let lost = link.relay.counts(Way::There).lost.load(Ordering::Relaxed);
    assert!(lost > 50, "only {lost} packets were lost");
}

#[test]
fn packets_overtake_one_another() {
    let weather = Weather { late: 200, ..CLEAR };
    let link = under("reordered", weather);
    let late = link.relay.counts(Way::There).late.load(Ordering::Relaxed);
    assert!(late > 50, "only {late} packets were late");
}

#[test]
fn packets_arrive_twice() {
    let weather = Weather {
        doubled: 500,
        ..CLEAR
    };
    let link = under("doubled", weather);
    let counts = link.relay.counts(Way::There);
    let doubled = counts.doubled.load(Ordering::Relaxed);
    assert!(doubled > 50, "only {doubled} packets came twice");
}

/// The dialling side's address changes, as behind a router that forgets: the connection moves with it.
#[test]
fn the_dialling_side_moves() {
    let link = Link::new("moved");
    let (send, recv) = link.start();
    link.wait_for_data();
    link.relay.change_address();
    let (send, recv) = link.finish(send, recv);
    assert!(!has_lost(&send), "{}", send.output());
    assert!(!has_lost(&recv), "{}", recv.output());
}
