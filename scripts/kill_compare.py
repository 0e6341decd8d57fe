#!/usr/bin/env python3
"""Kills pgpipe and pgcopydb at the same moments of a migration, lets both go on, and counts rows.

Two throw-away servers; a source of two tables, both split by either tool, with keys and indexes. Each tool
first runs undisturbed, which tells how long its data and its index phase take. Then each moment, a share
of one phase, is drawn once and used for both: kill -9, wait until the server has no session of the dead
ones left, the command that the tool's documentation gives for going on, rows and contents by SQL.

pgcopydb: its whole process group is killed; the snapshot is held by a `pgcopydb snapshot` of its own, which
lives on, and the same command is given again with --resume (docs/resume.rst of pgcopydb). Where that does
not end with 0, once more with --resume --not-consistent, which it advises for a source that nobody writes to.
pgpipe: send, recv or both are killed; the same commands again.

Prints a markdown table; --write puts it into the docs.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import bench
from bench import DATABASE, PAGE, PGPIPE, ROOT, Server, clean_environment, free_port, say

BEGIN, END = "<!-- kill_compare.py begins -->", "<!-- kill_compare.py ends -->"
# No run takes a tenth of it; one that does hangs.
LIMIT = 600
ROWS = {"samples": 1_500_000, "hours": 750_000}
# Both tables are split by it: some ten parts and five.
PART_MIB = 16

FILL = """
CREATE TABLE {table} (id bigint PRIMARY KEY, at timestamptz NOT NULL, name text NOT NULL, amount numeric(12, 3), node int);
INSERT INTO {table} SELECT i, timestamptz '2024-01-01Z' + i * interval '1 second', md5(i::text), i % 9973 / 7.0, i % 640
    FROM generate_series(1, {rows}) i;
CREATE INDEX {table}_at ON {table} (at);
CREATE INDEX {table}_name ON {table} (name);
CREATE INDEX {table}_node ON {table} (node, at);
"""
CHECKSUM = """SELECT count(*) || ' ' || coalesce(sum(('x' || substr(md5((t.*)::text), 1, 16))::bit(64)::bigint::numeric), 0)
    FROM {table} t"""
INDEXES = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indrelid WHERE relname IN ('samples', 'hours') AND indisvalid"
SESSIONS = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
# Counts statements at work: rows being written, indexes being built.
WATCH = f"""SELECT count(*) FILTER (WHERE query ~* '^\\s*COPY'), count(*) FILTER (WHERE query ~* 'CREATE (UNIQUE )?INDEX|ADD CONSTRAINT')
    FROM pg_stat_activity WHERE datname = '{DATABASE}' AND state = 'active'
\\watch 0.05
"""


def main():
    options = arguments()
    for program, what in ((str(PGPIPE), "cargo build --release"), ("pgcopydb", "apt-get install pgcopydb")):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: {what}, or make bench-kills")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    bin_dir = bench.find_bin_dir(options.pg_bin)
    with tempfile.TemporaryDirectory(prefix="pgpipe-kills-", dir=options.dir) as work:
        os.chmod(work, 0o755)
        with Server(bin_dir, work, "source") as source, Server(bin_dir, work, "target") as target:
            page = Comparison(options, source, target, pathlib.Path(work)).run()
    print(page)
    if options.write:
        write_page(page)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=10, help="kills of each tool (default 10)")
    parser.add_argument("--seed", type=int, default=4, help="repeats the moments (default 4)")
    parser.add_argument("--pg-bin", help="directory of initdb and its companions; else the newest installed")
    parser.add_argument("--dir", default="/tmp", help="where both servers keep their data (default /tmp)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


def moments(seed, count):
    """Data and index phase in turn; the first of the index phase is its very beginning."""
    dice, found = random.Random(seed), []
    for number in range(count):
        phase = ("data", "index")[number % 2]
        share = 0.0 if number == 1 else round(dice.uniform(0.05, 0.85), 2)
        found.append((phase, share, dice.choice(("send", "recv", "both"))))
    return found


class Watcher:
    """When the target began to write rows, and to build indexes, and when it ended that."""

    def __init__(self, target):
        psql = [os.path.join(target.bin_dir, "psql"), "-XAtq", "-d", target.conninfo("postgres")]
        self.process = subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=clean_environment(), start_new_session=True)
        self.first, self.last = {}, {}
        self.process.stdin.write(WATCH)
        self.process.stdin.flush()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            counts = re.fullmatch(r"(\d+)\|(\d+)", line.strip())
            for phase, count in zip(("data", "index"), counts.groups() if counts else ()):
                if int(count) > 0:
                    self.first.setdefault(phase, time.monotonic())
                    self.last[phase] = time.monotonic()

    def seconds(self, phase):
        return self.last[phase] - self.first[phase]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Comparison:
    def __init__(self, options, source, target, work):
        self.options, self.source, self.target, self.work = options, source, target, work
        self.runs = 0

    def run(self):
        self.fill()
        self.want = self.contents(self.source)
        tools = (Pgcopydb(self), Pgpipe(self))
        for tool in tools:
            self.undisturbed(tool)
        found = []
        for number, moment in enumerate(moments(self.options.seed, self.options.moments), 1):
            found.append((moment, [self.killed(number, tool, moment) for tool in tools]))
        return self.page(tools, found)

    def fill(self):
        self.source.recreate()
        for table, rows in ROWS.items():
            self.source.psql(FILL.format(table=table, rows=rows))
            self.source.psql(f"VACUUM (FREEZE, ANALYZE) {table}")
        say("source filled")

    def contents(self, server):
        """Rows, checksum and indexes; None for a table that is not there."""
        there = server.psql("SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('samples', 'hours')").split()
        facts = {table: server.psql(CHECKSUM.format(table=table)) if table in there else None for table in ROWS}
        return {**facts, "indexes": server.psql(INDEXES)}

    def prepare(self):
        self.target.recreate()
        self.target.psql("CHECKPOINT", "postgres")
        self.runs += 1
        place = self.work / f"run-{self.runs}"
        place.mkdir()
        return place

    def undisturbed(self, tool):
        place = self.prepare()
        with Watcher(self.target) as watcher, contextlib.closing(tool):
            tool.begin(place)
            codes = tool.wait()
        if self.contents(self.target) != self.want:
            sys.exit(f"{tool.name}, undisturbed, ended with {codes}, and the databases differ: {place}\n{tool.log()}")
        tool.seconds = {phase: watcher.seconds(phase) for phase in ("data", "index")}
        say(f"{tool.name} undisturbed: data {tool.seconds['data']:.1f} s, indexes {tool.seconds['index']:.1f} s")

    def killed(self, number, tool, moment):
        phase, share, victim = moment
        for attempt in range(3):
            place = self.prepare()
            with Watcher(self.target) as watcher, contextlib.closing(tool):
                tool.begin(place)
                # A tool that was faster this time is killed earlier the next.
                hit = self.wait_for(tool, watcher, phase, share * 0.7 ** attempt)
                if hit:
                    tool.kill(victim)
                    self.wait_for_silence(tool)
                    codes = tool.resume(victim)
            if hit:
                break
        else:
            sys.exit(f"{tool.name} always ends before it is killed")
        found = self.contents(self.target)
        say(f"moment {number}, {phase} {share:.2f}: {tool.name} ended with {codes}: {found}")
        if found != self.want:
            print(tool.errors(), file=sys.stderr, flush=True)
        return found, codes

    def wait_for(self, tool, watcher, phase, share):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and tool.is_running():
            if phase in watcher.first and time.monotonic() >= watcher.first[phase] + share * tool.seconds[phase]:
                return True
            time.sleep(0.005)
        return False

    def wait_for_silence(self, tool):
        """Backends of dead clients end first; those of a living side stay."""
        deadline = time.monotonic() + 20
        while tool.all_dead() and int(self.target.psql(SESSIONS, "postgres")) > 0 and time.monotonic() < deadline:
            time.sleep(0.1)

    def page(self, tools, found):
        rows = [*bench.machine(self.target)[:1], "", *(tool.line() for tool in tools), "",
                "| killed in | " + " | ".join(f"{tool.name}: {what}" for tool in tools
                                              for what in ("rows of samples, of hours", "equal, exit code")) + " |",
                "|---|" + "---|" * 2 * len(tools)]
        for (phase, share, victim), results in found:
            cells = [f"{phase} phase, at {share:.0%} of it ({victim})"]
            for result, codes in results:
                counts = [f"{int(result[table].split()[0]):,}" if result[table] else "no table" for table in ROWS]
                cells += [", ".join(counts), f"{self.verdict(result)}; {codes}"]
            rows.append("| " + " | ".join(cells) + " |")
        wrong = [sum(results[index][0] != self.want for _, results in found) for index in range(len(tools))]
        rows += ["", "Not equal: " + ", ".join(f"{tool.name} {count} of {len(found)}"
                                               for tool, count in zip(tools, wrong)) + "."]
        return "\n".join(rows)

    def verdict(self, result):
        if result == self.want:
            return "equal"
        if all(result[table] == self.want[table] for table in ROWS):
            return f"{result['indexes']} of {self.want['indexes']} indexes"
        return "**rows differ**"


class Tool:
    """Processes in sessions of their own, their output in files."""

    def __init__(self, comparison):
        self.all, self.processes = comparison, []

    def spawn(self, name, command):
        output = open(self.place / f"{name}.log", "a")
        # The state and work directories stay within the run's own.
        environment = {**clean_environment(), "TMPDIR": str(self.place)}
        bin_dir = self.all.source.bin_dir
        environment["PATH"] = f"{bin_dir}:{environment['PATH']}"
        process = subprocess.Popen(command, cwd=self.place, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env=environment, start_new_session=True)
        output.close()
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            kill_group(process)
        self.processes.clear()

    def log(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()[-8000:]}" for path in sorted(self.place.glob("*.log")))


    def errors(self):
        lines = [line for line in self.log().split("\n") if re.search(r"ERROR|FATAL|TRUNCATE|pgpipe: ", line)]
        return "\n".join(lines[:12])


def wait_for_end(process, name):
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        kill_group(process)
        return f"{name} hung"


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def semaphores():
    """This user's System V semaphores: pgcopydb makes some, which outlive it when it is killed."""
    rows = [line.split() for line in pathlib.Path("/proc/sysvipc/sem").read_text().splitlines()[1:]]
    return {row[1] for row in rows if int(row[4]) == os.getuid()}


class Pgcopydb(Tool):
    name = "pgcopydb"
    OPTIONS = ["--table-jobs", "2", "--index-jobs", "2", "--split-tables-larger-than", f"{PART_MIB}MB"]

    def begin(self, place):
        self.place, self.semaphores = place, semaphores()
        uri = lambda server: f"postgres://postgres@/{DATABASE}?host={server.dir.replace('/', '%2F')}"
        self.ends = ["--dir", str(place / "pgcopydb"), "--source", uri(self.all.source)]
        self.spawn("snapshot", ["pgcopydb", "snapshot", *self.ends])
        self.snapshot = self.exported()
        self.ends += ["--target", uri(self.all.target)]
        self.consistent = [*self.ends, "--snapshot", self.snapshot]
        self.again([])

    def exported(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = re.search(r"\b([0-9A-F]{8}-[0-9A-F]{8}-\d+)\b", (self.place / "snapshot.log").read_text())
            if found:
                return found.group(1)
            time.sleep(0.05)
        sys.exit(f"pgcopydb exports no snapshot:\n{self.log()}")

    def is_running(self):
        return self.main.poll() is None

    def all_dead(self):
        return True

    def kill(self, _):
        kill_group(self.main)
        # The leader is gone; the others need a moment to die.
        deadline = time.monotonic() + 5
        while self.living() and time.monotonic() < deadline:
            time.sleep(0.01)
        if self.living():
            sys.exit(f"pgcopydb processes {self.living()} are not of the group that was killed")

    def living(self):
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self.is_ours(pid)]

    def is_ours(self, pid):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        # A dead one that nobody has waited for has no command line any more.
        return b"clone" in words and str(self.place / "pgcopydb").encode() in words

    def wait(self):
        return wait_for_end(self.main, "clone")

    def resume(self, _):
        self.again(["--resume"])
        code = self.wait()
        if code == 0:
            return "0"
        # Without --snapshot: the source is not written to.
        self.again(["--resume", "--not-consistent"], self.ends)
        return f"{code}, then {self.wait()}"

    def again(self, options, ends=None):
        self.main = self.spawn("clone", ["pgcopydb", "clone", *(ends or self.consistent), *self.OPTIONS, *options])

    def close(self):
        super().close()
        for semaphore in semaphores() - self.semaphores:
            subprocess.run(["ipcrm", "-s", semaphore], capture_output=True, check=False)

    def line(self):
        told = subprocess.run(["pgcopydb", "version"], capture_output=True, text=True, check=False).stdout
        version = told.split("\n")[0].removeprefix("pgcopydb version ")
        options = " ".join(self.OPTIONS)
        return (f"pgcopydb {version}: `pgcopydb snapshot --dir D --source S`, which stays; `pgcopydb clone --dir D --source S "
                f"--target T --snapshot ID {options}`; after the kill the same with `--resume`, and where that fails "
                f"with `--resume --not-consistent` and without `--snapshot`. Undisturbed: data {self.seconds['data']:.1f} s, "
                f"indexes {self.seconds['index']:.1f} s.\n")


class Pgpipe(Tool):
    name = "pgpipe"
    OPTIONS = {"send": ["--jobs", "2", "--chunk-size", f"{PART_MIB}MiB"], "recv": ["--index-jobs", "2"]}

    def begin(self, place):
        self.place, address = place, f"127.0.0.1:{free_port()}"
        both = lambda side: ["--state", str(place / f"{side}.state"), "--pair-file", str(place / "pair"), "--give-up", "300s"]
        self.commands = {
            "send": [str(PGPIPE), "send", "--source", self.all.source.conninfo(DATABASE), "--connect", address, *both("send")],
            "recv": [str(PGPIPE), "recv", "--target", self.all.target.conninfo(DATABASE), "--listen", address, *both("recv")]}
        self.sides = {}
        for side in ("recv", "send"):
            self.start(side)

    def start(self, side):
        self.sides[side] = self.spawn(side, [*self.commands[side], *self.OPTIONS[side]])

    def is_running(self):
        return all(process.poll() is None for process in self.sides.values())

    def all_dead(self):
        return not any(process.poll() is None for process in self.sides.values())

    def kill(self, victim):
        for side in self.victims(victim):
            kill_group(self.sides[side])

    def victims(self, victim):
        return ("recv", "send") if victim == "both" else (victim,)

    def resume(self, victim):
        for side in self.victims(victim):
            self.start(side)
        codes = self.wait()
        return "0" if codes == {"send": 0, "recv": 0} else str(codes)

    def wait(self):
        return {side: wait_for_end(process, side) for side, process in self.sides.items()}

    def close(self):
        super().close()
        subprocess.run([str(PGPIPE), "abort", "--state", str(self.place / "send.state")], capture_output=True, check=False)

    def line(self):
        revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        options = {side: " ".join(words) for side, words in self.OPTIONS.items()}
        return (f"pgpipe {revision.stdout.strip()}: `pgpipe recv --target T --listen A {options['recv']}` and `pgpipe send "
                f"--source S --connect A {options['send']}`; after the kill of one of them or both (in brackets) the same again. "
                f"Undisturbed: data {self.seconds['data']:.1f} s, indexes {self.seconds['index']:.1f} s.")


def write_page(text):
    """Replaces what stands between the two marks."""
    old = PAGE.read_text()
    if BEGIN not in old or END not in old:
        sys.exit(f"{PAGE} lacks the marks {BEGIN} and {END}")
    PAGE.write_text(old[:old.index(BEGIN)] + f"{BEGIN}\n{text.strip()}\n" + old[old.index(END):])
    say(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
