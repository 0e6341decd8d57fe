//! What can go wrong, where it may, and which ends of the two sides follow from it.

use std::time::Duration;

use crate::phase::Phase;
use crate::support::{Way, Weather};

const SCHEMA_AND_DATA: [Phase; 2] = [Phase::Schema, Phase::Data];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Send,
    Recv,
}

/// Of the migration, each with its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Target,
}

impl End {
    /// Whose server it is.
    fn side(self) -> Side {
        match self {
            Self::Source => Side::Send,
            Self::Target => Side::Recv,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9.
    Kill(Side),
    KillBoth,
    KillKeeper,
    /// Ctrl-C.
    Interrupt(Side),
    /// SIGSTOP, later SIGCONT.
    Pause(Side, Duration),
    Link(Weather, Duration),
    /// Nothing arrives on one way.
    HalfCut(Way, Duration),
    /// The dialling side is seen at another address.
    Moved,
    /// An administrator ends one of our sessions.
    Terminate(End),
    TerminateKeeper,
    /// kill -9 of one of our backends: its server ends all others and recovers.
    KillBackend(End),
    /// An immediate stop of the server, down for this long.
    Stop(End, Duration),
    /// kill -9 of postmaster and backends.
    KillServer(End, Duration),
    /// The target's file system has no room for this long.
    FullDisk(Duration),
}

impl Fault {
    /// Without its durations.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Pause(side, _) => format!("Pause({side:?})"),
            Self::Link(weather, _) if weather.held => "Stall".to_owned(),
            Self::Link(weather, _) if weather.lost == 1000 => "Cut".to_owned(),
            Self::Link(..) => "Loss, reorder, duplication".to_owned(),
            Self::HalfCut(way, _) => format!("HalfCut({way:?})"),
            Self::Stop(end, _) => format!("Stop({end:?})"),
            Self::KillServer(end, _) => format!("KillServer({end:?})"),
            Self::FullDisk(_) => "FullDisk".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Whether it may strike when the migration is this far.
    pub(crate) fn suits(self, phase: Phase) -> bool {
        let all_rows_there = phase > Phase::Data;
        match self {
            // Later there is none, before there may be none yet.
            Self::KillKeeper | Self::TerminateKeeper => SCHEMA_AND_DATA.contains(&phase),
            // Later send has no session.
            Self::KillBackend(End::Source) | Self::Terminate(End::Source) => !all_rows_there,
            _ => true,
        }
    }

    /// How long it lasts; no time for what is over as soon as it has struck.
    pub(crate) fn time(self) -> Duration {
        match self {
            Self::Pause(_, time)
            | Self::Link(_, time)
            | Self::HalfCut(_, time)
            | Self::Stop(_, time)
            | Self::KillServer(_, time)
            | Self::FullDisk(time) => time,
            _ => Duration::ZERO,
        }
    }

    /// The sides that are dead after it, until they are started again.
    pub(crate) fn killed(self) -> &'static [Side] {
        match self {
            Self::Kill(Side::Send) => &[Side::Send],
            Self::Kill(Side::Recv) => &[Side::Recv],
            Self::KillBoth => &[Side::Send, Side::Recv],
            _ => &[],
        }
    }

    /// The server that is down meanwhile.
    fn stopped(self) -> Option<End> {
        match self {
            Self::Stop(end, _) | Self::KillServer(end, _) => Some(end),
            _ => None,
        }
    }

    /// Whether another fault can strike while this one lasts.
    pub(crate) fn can_last(self) -> bool {
        self.time() > Duration::ZERO || !self.killed().is_empty()
    }

    /// Whether the other finds somebody to strike while this one lasts, and the two do not undo one
    /// another.
    pub(crate) fn leaves(self, other: Self) -> bool {
        let of_link = |fault| matches!(fault, Self::Link(..) | Self::HalfCut(..));
        let is_alive = |side| !self.killed().contains(&side);
        let is_up = |end| self.stopped() != Some(end);
        match other {
            Self::Kill(side) | Self::Interrupt(side) => is_alive(side),
            Self::KillBoth => self.killed().is_empty(),
            Self::Pause(side, _) => {
                is_alive(side) && !matches!(self, Self::Pause(s, _) if s == side)
            }
            Self::Link(..) | Self::HalfCut(..) => !of_link(self),
            Self::TerminateKeeper => is_up(End::Source),
            Self::Terminate(end) => is_up(end) && is_alive(end.side()),
            // A server that recovers by itself does not wait for room.
            Self::KillBackend(end) => {
                let needs_room = end == End::Target && matches!(self, Self::FullDisk(_));
                is_up(end) && is_alive(end.side()) && !needs_room
            }
            Self::Stop(end, _) | Self::KillServer(end, _) => is_up(end),
            Self::FullDisk(_) => !matches!(self, Self::FullDisk(_)),
            Self::KillKeeper | Self::Moved => true,
        }
    }

    /// Whether a living side may end with 3. Where not, it goes on by itself.
    pub(crate) fn may_stop(self) -> bool {
        let goes_on = matches!(
            self,
            Self::Kill(_)
                | Self::KillBoth
                | Self::Pause(..)
                | Self::Link(..)
                | Self::HalfCut(..)
                | Self::Moved
        );
        !goes_on
    }
}
