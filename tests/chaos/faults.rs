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
