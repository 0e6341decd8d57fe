//! One migration, its faults, and whoever starts again what has ended.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::faults::{Fault, Side};
use crate::judge::judge;
use crate::known::Known;
use crate::phase::Phase;
use crate::plan::Planned;
use crate::scene::Scene;
use crate::sides::{self, Places, Process};
use crate::support::{Dice, Relay, keepers_in};

/// A phase that is not reached by then is never reached: outages are half a minute at most.
const PHASE_LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(40);
/// Lines of each output that a failure shows.
const TAIL: usize = 12;
pub(crate) const UNLOGGED: &str = include_str!("unlogged.sql");

pub(crate) struct Campaign<'a> {
    pub(crate) scene: &'a mut Scene,
    pub(crate) name: String,
    pub(crate) dice: Dice,
    pub(crate) relay: Relay,
    pub(crate) send: Process,
    pub(crate) recv: Process,
    pub(crate) known: Known,
    dir: Option<TempDir>,
    begin: Instant,
    pub(crate) reached: Phase,
    /// What struck latest, and before that: what that has caused may show late.
    blamed: Vec<Planned>,
    /// What the source's unlogged tables held before any fault.
    pub(crate) unlogged: String,
}

impl<'a> Campaign<'a> {
    pub(crate) fn new(scene: &'a mut Scene, number: usize, seed: u64) -> Self {
        let (name, mut dice) = (format!("chaos_{number}"), Dice::new(seed));
        scene.create_databases(&name);
        let unlogged = scene.source.psql(&name, UNLOGGED).unwrap();
        let dir = tempfile::Builder::new()
            .prefix("pgpipe-chaos-")
            .tempdir()
            .unwrap();
        let behind = free_address();
        let relay = Relay::start(behind, dice.below(u64::MAX));
        let places = Places {
            dir: dir.path(),
            source: &scene.source.conninfo(&name),
            target: &scene.target.conninfo(&name),
            listen: &behind.to_string(),
            connect: &relay.address(),
            recv_listens: dice.below(3) > 0,
        };
        let (send, recv) = (
            Process::new(Side::Send, &places),
            Process::new(Side::Recv, &places),
        );
        Self {
            scene,
            name,
            dice,
            relay,
            send,
            recv,
            known: Known::default(),
            dir: Some(dir),
            begin: Instant::now(),
            reached: Phase::Before,
            blamed: Vec::new(),
            unlogged,
        }
    }

    /// Runs the migration to its end and judges it; returns the faults that struck it, and when.
    pub(crate) fn run(mut self, plan: &[Planned]) -> Vec<(Phase, String)> {
        let faults = plan.iter().flat_map(Planned::faults).count();
        self.say(&format!("migration begins, {faults} faults are due"));
        let mut struck = Vec::new();
        self.tend();
        for planned in plan {
            self.reach(planned.phase);
            self.wait(planned.delay);
            if self.is_done() {
                break;
            }
            self.look_at_journal();
            self.blame(planned);
            let phase = self.reached;
            let names = self.strike(planned).into_iter();
            struck.extend(names.map(|name| (phase, name)));
            self.look_at_journal();
        }
        self.reach_end();
        self.say("both sides are done");
        judge(&mut self);
        self.scene.drop_databases(&self.name);
        self.say("equal, nothing left");
        struck
    }

    fn reach(&mut self, phase: Phase) {
        let begin = Instant::now();
        while self.reached < phase && !self.is_done() {
            assert!(
                begin.elapsed() < PHASE_LIMIT,
                "phase {phase:?} is not reached"
            );
            self.tend();
            thread::sleep(POLL);
        }
    }

    fn reach_end(&mut self) {
        let begin = Instant::now();
        while !self.is_done() {
            assert!(begin.elapsed() < PHASE_LIMIT, "the migration does not end");
            self.tend();
            thread::sleep(POLL);
        }
    }

    /// Meanwhile whatever ends is started again.
    pub(crate) fn wait(&mut self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time && !self.is_done() {
            self.tend();
            thread::sleep(POLL.min(time));
        }
    }

    fn is_done(&self) -> bool {
        self.send.is_done() && self.recv.is_done()
    }

    /// Where send, recv and the keeper keep what they have.
    pub(crate) fn path(&self) -> &Path {
        self.dir.as_ref().expect("kept until the end").path()
    }

    /// As recv has it.
    pub(crate) fn plan_file(&self) -> PathBuf {
        self.path().join("recv.state/main/recv/plan")
    }

    pub(crate) fn side(&mut self, side: Side) -> &mut Process {
        match side {
            Side::Send => &mut self.send,
            Side::Recv => &mut self.recv,
        }
    }

    /// Looks how far they are, and starts again what has ended; a side that is done too, if the
    /// other may need it.
    fn tend(&mut self) {
        self.reached = self.reached.max(self.send.phase()).max(self.recv.phase());
        for side in [Side::Send, Side::Recv] {
            if let Some((code, line)) = self.side(side).ended() {
                let told = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
                self.say(&format!("{} ended with {told}: {line}", sides::name(side)));
                self.look_at_journal();
                self.assert_allowed(side, code);
            }
        }
        for side in [Side::Recv, Side::Send] {
            if !self.is_done() && self.side(side).is_idle() && self.wants(side) {
                self.side(side).start();
            }
        }
    }

    /// A side that is done is started only for one that has to begin again.
    fn wants(&mut self, side: Side) -> bool {
        let other = match side {
            Side::Send => &mut self.recv,
            Side::Recv => &mut self.send,
        };
        let other_begins = !other.is_done() && !other.is_running();
        let process = self.side(side);
        !process.rests() && (!process.is_done() || other_begins)
    }

    fn blame(&mut self, planned: &Planned) {
        self.blamed.push(*planned);
        let old = self.blamed.len().saturating_sub(2);
        self.blamed.drain(..old);
    }

    fn assert_allowed(&self, side: Side, code: Option<i32>) {
        let interrupted = [&self.send, &self.recv].map(Process::is_interrupted);
        let mut blamed = self.blamed.iter().flat_map(Planned::faults);
        let may_stop = interrupted.contains(&true) || blamed.any(Fault::may_stop);
        let allowed = match code {
            Some(0) => true,
            Some(3) => may_stop,
            Some(4) => self.known.lost,
            Some(5) => self.known.may_seem_changed(),
            // There is nothing yet that could be gone on with.
            Some(1) => may_stop && self.reached <= Phase::Schema && self.known.is_empty(),
            _ => false,
        };
        assert!(allowed, "{side:?} must not end so after {:?}", self.blamed);
    }

    /// False where it is not there, or not to be reached.
    pub(crate) fn look_at_journal(&mut self) -> bool {
        let plan = self.plan_file();
        self.known.look(&self.scene.target, &self.name, &plan)
    }

    pub(crate) fn say(&self, text: &str) {
        let seconds = self.begin.elapsed().as_secs_f64();
        eprintln!("{} {seconds:6.2} s  {text}", self.name);
    }

    /// What every start wrote last, and the servers.
    fn tell_all(&self) {
        let mut outputs: Vec<_> = std::fs::read_dir(self.path()).unwrap().flatten().collect();
        outputs.sort_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok());
        for entry in outputs {
            for name in ["send.stderr", "recv.stderr"] {
                if let Ok(text) = std::fs::read_to_string(entry.path().join(name)) {
                    eprintln!("--- {}\n{}", entry.path().display(), tail(&text));
                }
            }
        }
        for (end, server) in [
            ("source", &self.scene.source),
            ("target", &self.scene.target),
        ] {
            eprintln!("--- server log of the {end}\n{}", tail(&server.log()));
        }
        eprintln!("--- keepers: {:?}", keepers_in(self.path()));
    }
}

impl Drop for Campaign<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell_all();
            if let Some(dir) = self.dir.take() {
                eprintln!("--- kept: {}", dir.keep().display());
            }
        }
    }
}

fn tail(text: &str) -> String {
    // A line of progress every second says little.
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("\"eta_seconds\""))
        .collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}
