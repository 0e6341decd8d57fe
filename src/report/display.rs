//! What a run shows while it works, and how it ended.

use std::sync::Arc;

use tokio::sync::watch;

use super::contract::Report;
use super::ending::Ending;
use super::meter::Meter;
use super::wish::Wish;

/// What a side shows while it works, and how its user stops it.
#[derive(Clone)]
pub struct Display {
    pub meter: Arc<Meter>,
    /// Prints a line without tearing a progress bar.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
    /// The same for what concerns this side's own server alone: shown of both sides where they share a
    /// process.
    pub say_of_server: Arc<dyn Fn(&str) + Send + Sync>,
    /// Turns true when the user wants to stop, or to give the migration up.
    pub stop: watch::Receiver<bool>,
    /// The same wish with its reason; asks and answers from outside go here.
    pub wish: Wish,
}

/// How a run ended without an error.
#[derive(Debug)]
pub struct Outcome {
    pub ending: Ending,
    pub report: Option<Report>,
}
