//! How each fault is done to a migration.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pgpipe::demo::cluster::{Cluster, StopMode};
use rustix::process::{Pid, Signal, kill_process};

use crate::campaign::Campaign;
use crate::faults::{End, Fault, Side};
use crate::support::{CLEAR, CUT, Way, Weather, keepers_in, poll};

/// How long somebody to strike is looked for.
const SEARCH: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(60);
/// After a crash of a backend; no session outlives it.
const ENDED: &str = "all server processes terminated";
const READY: &str = "database system is ready to accept connections";

impl Campaign<'_> {
    /// Returns when the fault is over; false when there was nobody to strike.
    pub(crate) fn strike(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Kill(side) => self.side(side).kill(),
            Fault::KillBoth => self.send.kill() | self.recv.kill(),
            Fault::Interrupt(side) => self.side(side).interrupt(),
            Fault::Pause(side, time) => self.pause(side, time),
            Fault::Link(weather, time) => self.weather(&[Way::There, Way::Back], weather, time),
            Fault::HalfCut(way, time) => self.weather(&[way], CUT, time),
            Fault::Moved => {
                self.relay.change_address();
                true
            }
            Fault::KillKeeper => self.kill_keeper(),
            Fault::TerminateKeeper => self.terminate(End::Source, KEEPER),
            Fault::Terminate(end) => self.terminate(end, WORKERS),
            Fault::KillBackend(end) => self.kill_backend(end),
            Fault::Stop(end, time) => self.crash(end, time, |server| {
                server.stop(StopMode::Immediate).unwrap();
            }),
            Fault::KillServer(end, time) => self.crash(end, time, Cluster::kill9),
            Fault::FullDisk(time) => self.full_disk(time),
        }
    }

    fn pause(&mut self, side: Side, time: Duration) -> bool {
        let paused = self.side(side).signal(Signal::STOP);
        self.wait(time);
        self.side(side).signal(Signal::CONT);
        paused
    }

    fn weather(&mut self, ways: &[Way], weather: Weather, time: Duration) -> bool {
        for way in ways {
            self.relay.set_way(*way, weather);
        }
        self.wait(time);
        self.relay.set(CLEAR);
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

    fn crash(&mut self, end: End, time: Duration, crash: impl Fn(&mut Cluster)) -> bool {
        crash(self.scene.server_mut(end));
        self.crashed(end, SystemTime::now());
        self.wait(time);
        self.scene.server_mut(end).start_again().unwrap();
        self.recovered(end);
        true
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

    fn full_disk(&mut self, time: Duration) -> bool {
        let Some(disk) = &self.scene.disk else {
            return false;
        };
        disk.fill();
        self.wait(time);
        if let Some(disk) = &self.scene.disk {
            disk.free();
        }
        true
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
