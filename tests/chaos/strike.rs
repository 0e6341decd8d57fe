//! How each fault is done to a migration.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pgpipe::demo::cluster::{Cluster, StopMode};
use rustix::process::{Pid, Signal, kill_process};

use crate::campaign::Campaign;
use crate::faults::{End, Fault};
use crate::full_disk::SmallDisk;
use crate::plan::{Planned, Within};
use crate::support::{CLEAR, CUT, Way, Weather, keepers_in, poll};

/// How long somebody to strike is looked for.
const SEARCH: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(60);
/// After a crash of a backend; no session outlives it.
const ENDED: &str = "all server processes terminated";
const READY: &str = "database system is ready to accept connections";

impl Campaign<'_> {
    /// Returns when all of it is over, with the names of the faults that found somebody to strike.
    pub(crate) fn strike(&mut self, planned: &Planned) -> Vec<String> {
        let first = planned.fault;
        let mut struck = Vec::new();
        self.say(&format!("phase {:?}: {first:?}", self.reached));
        struck.extend(self.begin(first).then(|| first.name()));
        match planned.within {
            Some(within) => struck.extend(self.strike_within(first, within)),
            None => {
                self.wait(first.time());
                self.end(first);
            }
        }
        struck
    }

    /// The second of a pair, and the end of both, whichever comes first.
    fn strike_within(&mut self, first: Fault, within: Within) -> Option<String> {
        let second = within.fault;
        for &side in first.killed() {
            self.side(side).held = true;
        }
        self.wait(within.after);
        self.look_at_journal();
        self.say(&format!("phase {:?}, meanwhile: {second:?}", self.reached));
        let struck = self.begin(second);
        let left = first.time().saturating_sub(within.after);
        let mut ends = [(left, first), (second.time(), second)];
        ends.sort_by_key(|(time, _)| *time);
        self.wait(ends[0].0);
        self.end(ends[0].1);
        self.wait(ends[1].0 - ends[0].0);
        self.end(ends[1].1);
        struck.then(|| format!("{} within {}", second.name(), first.name()))
    }

    /// False when there was nobody to strike.
    fn begin(&mut self, fault: Fault) -> bool {
        let struck = match fault {
            Fault::Kill(side) => self.side(side).kill(),
            Fault::KillBoth => self.send.kill() | self.recv.kill(),
            Fault::Interrupt(side) => self.side(side).interrupt(),
            Fault::Pause(side, _) => self.side(side).signal(Signal::STOP),
            Fault::Link(weather, _) => self.weather(&[Way::There, Way::Back], weather),
            Fault::HalfCut(way, _) => self.weather(&[way], CUT),
            Fault::Moved => {
                self.relay.change_address();
                true
            }
            Fault::KillKeeper => self.kill_keeper(),
            Fault::TerminateKeeper => self.terminate(End::Source, KEEPER),
            Fault::Terminate(end) => self.terminate(end, WORKERS),
            Fault::KillBackend(end) => self.kill_backend(end),
            Fault::Stop(end, _) => self.crash(end, |server| {
                server.stop(StopMode::Immediate).unwrap();
            }),
            Fault::KillServer(end, _) => self.crash(end, Cluster::kill9),
            Fault::FullDisk(_) => self.scene.disk.as_ref().map(SmallDisk::fill).is_some(),
        };
        if !struck {
            self.say("it finds nobody to strike");
        }
        struck
    }

    /// What lasts is over.
    fn end(&mut self, fault: Fault) {
        for &side in fault.killed() {
            self.side(side).held = false;
        }
        match fault {
            Fault::Pause(side, _) => {
                self.side(side).signal(Signal::CONT);
            }
            Fault::Link(..) | Fault::HalfCut(..) => self.relay.set(CLEAR),
            Fault::Stop(end, _) | Fault::KillServer(end, _) => self.start_server(end),
            Fault::FullDisk(_) => self.free_disk(),
            _ => {}
        }
    }

    fn weather(&self, ways: &[Way], weather: Weather) -> bool {
        for way in ways {
            self.relay.set_way(*way, weather);
        }
        true
    }

    fn kill_keeper(&mut self) -> bool {
        let keepers = keepers_in(self.path());
        keepers.iter().for_each(|pid| kill(*pid));
        !keepers.is_empty()
    }

    fn terminate(&mut self, end: End, whom: &str) -> bool {
        let Some((pid, name)) = self.backend(end, whom) else {
            return false;
        };
        self.say(&format!("{name} is terminated on the {end:?}"));
        let sql = format!("SELECT pg_terminate_backend({pid})");
        self.scene
            .server(end)
            .psql("postgres", &sql)
            .unwrap()
            .trim()
            == "t"
    }

    fn kill_backend(&mut self, end: End) -> bool {
        let Some((pid, name)) = self.backend(end, WORKERS) else {
            return false;
        };
        self.say(&format!("{name} is killed on the {end:?}"));
        let count = |line| self.scene.server(end).log().matches(line).count();
        let before = [ENDED, READY].map(count);
        kill(pid);
        let wait = |line, before| poll(RECOVERY, || (count(line) > before).then_some(()));
        wait(ENDED, before[0]).expect("the server ends all sessions");
        let at = SystemTime::now();
        wait(READY, before[1]).expect("the server recovers");
        self.crashed(end, at);
        self.recovered(end);
        true
    }

    fn crash(&mut self, end: End, crash: impl Fn(&mut Cluster)) -> bool {
        crash(self.scene.server_mut(end));
        self.crashed(end, SystemTime::now());
        true
    }

    fn start_server(&mut self, end: End) {
        if end == End::Target {
            // The server may need room to recover.
            self.free_disk();
        }
        self.scene.server_mut(end).start_again().unwrap();
        self.recovered(end);
    }

    fn crashed(&mut self, end: End, at: SystemTime) {
        if end == End::Source {
            self.known.source_crashed(at);
        }
    }

    /// Only what the target holds after the recovery is sure to stay.
    fn recovered(&mut self, end: End) {
        if end == End::Target {
            let plan = self.plan_file();
            self.known
                .target_crashed(&self.scene.target, &self.name, &plan);
        }
    }

    fn free_disk(&self) {
        if let Some(disk) = &self.scene.disk {
            disk.free();
        }
    }

    /// One of the sessions that `whom` selects.
    fn backend(&mut self, end: End, whom: &str) -> Option<(u32, String)> {
        let sql = format!(
            "SELECT pid, application_name FROM pg_stat_activity
             WHERE datname = '{}' AND application_name {whom} ORDER BY pid",
            self.name
        );
        let begin = Instant::now();
        while begin.elapsed() < SEARCH {
            let answer = self
                .scene
                .server(end)
                .psql("postgres", &sql)
                .unwrap_or_default();
            let found: Vec<_> = answer
                .lines()
                .filter_map(|line| line.split_once('|'))
                .collect();
            if !found.is_empty() {
                let (pid, name) = self.dice.one_of(&found);
                return Some((pid.parse().unwrap(), name.to_owned()));
            }
            self.wait(Duration::from_millis(50));
            thread::yield_now();
        }
        None
    }
}

const KEEPER: &str = "LIKE 'pgpipe keeper%'";
const WORKERS: &str = "LIKE 'pgpipe%' AND application_name NOT LIKE 'pgpipe keeper%'";

fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // Gone already is what was wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
}
