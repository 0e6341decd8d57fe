#!/usr/bin/env python3
"""Measures pgpipe against PostgreSQL's own tools, on this machine, in one run.

Two throw-away servers, one source of history shape. Medians of several runs of

  data only       pgpipe (send and recv)  against  parallel `psql COPY | psql COPY` pipes
  whole database  pgpipe (send and recv)  against  pg_dump -Fd -Z0 -j2, then pg_restore -j2

For data only the source has no index or key: pgpipe's time is then its report's phase "data", its CPU
and memory are those of the whole run.

Every run begins with an empty target, after a checkpoint on both servers. CPU is user plus system time
of the programs and of all server processes. Prints a markdown table; --write puts it into the docs.
"""

import argparse
import datetime
import glob
import json
import os
import pathlib
import platform
import pwd
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PGPIPE = ROOT / "target" / "release" / "pgpipe"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench.py begins -->", "<!-- bench.py ends -->"
DATABASE = "history"
TICKS = os.sysconf("SC_CLK_TCK")

# Both servers alike: room for the WAL of a load, fsync on, commits synchronous as by default.
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "256MB",
    "autovacuum": "off",
}

# Four tables of history shape; the other three hold a part of the largest one's rows.
SCHEMA = """
CREATE TABLE vm_disk_samples_history (
    history_id bigint NOT NULL, history_datetime timestamptz NOT NULL, vm_disk_id uuid NOT NULL,
    image_id uuid NOT NULL, vm_disk_status smallint, vm_disk_actual_size_mb integer NOT NULL,
    read_rate_bytes_per_second bigint, read_latency_seconds numeric(18, 9),
    write_rate_bytes_per_second bigint, write_latency_seconds numeric(18, 9),
    flush_latency_seconds numeric(18, 9), vm_disk_configuration_version integer,
    read_ops_total_count numeric(20, 0), write_ops_total_count numeric(20, 0));
CREATE TABLE vm_samples_history (
    history_id bigint NOT NULL, history_datetime timestamptz NOT NULL, vm_id uuid NOT NULL,
    vm_status smallint NOT NULL, cpu_usage_percent smallint, memory_usage_percent smallint, vm_ip text,
    currently_running_on_host uuid, current_user_id uuid, current_user_name varchar(255),
    vm_configuration_version integer, memory_buffered_kb bigint, memory_cached_kb bigint);
CREATE TABLE domain_stats (
    stat_time timestamptz NOT NULL, node_id smallint NOT NULL, domain_id integer NOT NULL,
    deliveries integer NOT NULL, transient_failures integer NOT NULL, permanent_failures integer NOT NULL,
    active_queue integer NOT NULL, delivery_time double precision);
CREATE TABLE vm_disks_usage_samples_history (
    history_id bigint NOT NULL, history_datetime timestamptz NOT NULL, vm_id uuid NOT NULL, disks_usage text);
"""

INDEXES = """
ALTER TABLE vm_disk_samples_history ADD PRIMARY KEY (history_id);
CREATE INDEX ON vm_disk_samples_history (history_datetime);
CREATE INDEX ON vm_disk_samples_history (vm_disk_id);
ALTER TABLE vm_samples_history ADD PRIMARY KEY (history_id);
CREATE INDEX ON vm_samples_history (history_datetime);
CREATE INDEX ON domain_stats (domain_id, stat_time);
ALTER TABLE vm_disks_usage_samples_history ADD PRIMARY KEY (history_id);
CREATE INDEX ON vm_disks_usage_samples_history (vm_id);
"""

AT = "timestamptz '2024-03-01 00:00:00.25+00' + make_interval(secs => i / {n} * 60)"

FILL = {
    "vm_disk_samples_history": (1, f"""
        SELECT i, {AT.format(n=2000)}, md5('disk' || i % 2000)::uuid, md5('image' || i % 2000)::uuid, 1,
            (10240 + i % 2000 * 16)::int, (random() * random() * 3e7)::bigint,
            (random() * random() * 2e7)::int * 1e-9, (random() * 9e6)::bigint, (random() * 4e6)::int * 1e-9,
            CASE WHEN i % 5 > 0 THEN (random() * 1e6)::int * 1e-9 END, (i % 2000)::int,
            i % 2000 * 1000000 + i / 2000 * 977, i % 2000 * 2000000 + i / 2000 * 1811"""),
    "vm_samples_history": (0.3, f"""
        SELECT i, {AT.format(n=1000)}, md5('vm' || i % 1000)::uuid, 1, (random() * random() * 100)::int,
            (30 + i % 40)::int, '10.1.' || i % 1000 / 250 || '.' || i % 250,
            md5('host' || i % 50)::uuid, CASE WHEN i % 9 = 0 THEN md5('user' || i % 7)::uuid END,
            CASE WHEN i % 9 = 0 THEN 'user' || i % 7 || '@example.net-authz' END,
            (i % 1000)::int, 20000 + (random() * 4000)::bigint, 400000 + (random() * 90000)::bigint"""),
    "domain_stats": (0.5, f"""
        SELECT {AT.format(n=8000)}, i % 8, (1 + i / 8 % 1000)::int, (random() * random() * 5000)::int,
            (random() * 90)::int, (random() * 20)::int, (random() * 40)::int, random() * 12"""),
    "vm_disks_usage_samples_history": (0.08, f"""
        SELECT i, {AT.format(n=1000)}, md5('vm' || i % 1000)::uuid,
            '[{{"path":"/","total":"53675536384","used":"' || 8000000000 + i % 1000 * 1048576 + i / 30000 * 40960
            || '","fs":"xfs"}},{{"path":"/var/lib/' || substr(md5((i % 1000)::text), 1, 12)
            || '","total":"1099511627776","used":"' || 400000000000 + (random() * 9)::int * 4096
            || '","fs":"ext4"}}]'"""),
}


def main():
    options = arguments()
    if not options.baseline_only and not PGPIPE.is_file():
        sys.exit(f"{PGPIPE} is missing: run cargo build --release, or make bench")
    # A stop from outside takes the same way out as Ctrl-C, through every cleanup.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    bin_dir = find_bin_dir(options.pg_bin)
    with tempfile.TemporaryDirectory(prefix="pgpipe-bench-", dir=options.dir) as work:
        os.chmod(work, 0o755)
        with Server(bin_dir, work, "source") as source, Server(bin_dir, work, "target") as target:
            bench = Bench(options, source, target, pathlib.Path(work))
            page = bench.run()
    print(page)
    if options.write:
        write_page(page)


def shared_arguments(parser, runs):
    """Of every measurement between two servers."""
    parser.add_argument("--runs", type=int, default=runs, help=f"runs of each, of which the median counts (default {runs})")
    parser.add_argument("--jobs", type=int, default=2, help="jobs, pipes or chunks of either side (default 2)")
    parser.add_argument("--dir", default="/tmp", help="where both servers keep their data (default /tmp)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")


def program_arguments(parser):
    """Of those that may be told what to measure, and with whose programs."""
    parser.add_argument("--pg-bin", help="directory of initdb and its companions; else the newest installed")
    parser.add_argument("--before", metavar="BINARY", help="an earlier pgpipe, measured in the same run")
    parser.add_argument("--json", metavar="FILE", help="keep every single run's figures")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6_000_000, help="rows of the largest table (default 6000000)")
    shared_arguments(parser, runs=3)
    program_arguments(parser)
    parser.add_argument("--baseline-only", action="store_true", help="leave pgpipe out")
    options = parser.parse_args()
    for name in ("rows", "runs", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return options


def how_often(runs):
    return "1 run of each" if runs == 1 else f"medians of {runs} runs of each"


def say(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


# --- servers -----------------------------------------------------------------------------------------


def find_bin_dir(given):
    version = lambda path: [int(n) for n in re.findall(r"\d+", path)]
    places = [given] if given else os.environ.get("PATH", "").split(":") + sorted(
        glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"), key=version, reverse=True)
    wanted = ("initdb", "postgres", "psql", "pg_dump", "pg_restore", "pg_isready")
    for place in places:
        if all(os.path.isfile(os.path.join(place, program)) for program in wanted):
            return place
    sys.exit(f"no PostgreSQL server programs in {', '.join(places)}: make setup installs them, or use --pg-bin")


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def server_account():
    """A server does not run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        except KeyError:
            continue
    sys.exit("root cannot run a server and there is no account postgres or nobody")


class Server:
    """A throw-away server; its backends' CPU time is readable once they have ended."""

    def __init__(self, bin_dir, work, name):
        self.bin_dir, self.dir = bin_dir, os.path.join(work, name)
        self.account, self.process = server_account(), None

    def __enter__(self):
        os.mkdir(self.dir, 0o755)
        if self.account:
            os.chown(self.dir, self.account["user"], self.account["group"])
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        data = os.path.join(self.dir, "data")
        self.tool(["initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C"], **self.account)
        with open(os.path.join(data, "postgresql.conf"), "a") as conf:
            for name, value in {**SETTINGS, "unix_socket_directories": self.dir}.items():
                conf.write(f"{name} = '{value}'\n")
        with open(os.path.join(self.dir, "log"), "w") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin_dir, "postgres"), "-D", data], cwd=self.dir, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=clean_environment(), start_new_session=True, **self.account)
        deadline = time.monotonic() + 60
        while self.probe().returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server in {self.dir} did not start:\n{pathlib.Path(self.dir, 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def probe(self):
        command = [os.path.join(self.bin_dir, "pg_isready"), "-q", "-h", self.dir]
        return subprocess.run(command, env=clean_environment(), check=False)

    def __exit__(self, *_):
        if self.process is None:
            return
        for wish, patience in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            self.process.send_signal(wish)
            try:
                self.process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def tool(self, command, **more):
        done = subprocess.run([os.path.join(self.bin_dir, command[0]), *command[1:]], cwd=self.dir, text=True,
                              capture_output=True, env=clean_environment(), check=False, **more)
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def conninfo(self, database):
        return f"host={self.dir} user=postgres dbname={database}"

    def psql(self, sql, database=DATABASE):
        return self.tool(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database), "-c", sql]).strip()

    def recreate(self):
        self.psql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", "postgres")
        self.psql(f"CREATE DATABASE {DATABASE} TEMPLATE template0", "postgres")

    def cpu_seconds(self):
        """Of the postmaster, its living children and those that it has reaped."""
        self.wait_for_backends()
        own = stat_fields(self.process.pid)
        ticks = sum(own[11:15])
        for path in glob.glob("/proc/[0-9]*/stat"):
            fields = stat_fields(int(path.split("/")[2]))
            if fields and fields[1] == self.process.pid:
                ticks += sum(fields[11:15])
        return ticks / TICKS

    def wait_for_backends(self):
        """A client is gone before its backend is; a backend that still ends would be counted late."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + 10
        while self.psql(query, "postgres") != "0" and time.monotonic() < deadline:
            time.sleep(0.02)
        # The last query's own backend.
        time.sleep(0.1)


def stat_fields(pid):
    """Fields of /proc/PID/stat from the third on, as numbers: [1] ppid, [11:15] utime, stime, cutime, cstime."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2:].split()
    return [int(field) if field.lstrip("-").isdigit() else 0 for field in fields]


# --- processes that are measured ---------------------------------------------------------------------


class Watched:
    """Programs run side by side; their CPU time and peak memory.

    CPU comes from the children that this script has reaped. Peak memory is VmHWM, read every few
    milliseconds: a child that forks no workers keeps it to its end.
    """

    def __init__(self):
        self.processes, self.peaks = [], {}
        self.begin_cpu = children_cpu()

    def start(self, label, command, **more):
        process = subprocess.Popen(command, env=clean_environment(), start_new_session=True, **more)
        self.processes.append((label, process))
        return process

    def wait(self, limit=4 * 3600):
        deadline = time.monotonic() + limit
        try:
            while any(process.poll() is None for _, process in self.processes):
                self.look()
                if time.monotonic() > deadline:
                    raise SystemExit("a program of the bench does not end")
                failed = [label for label, process in self.processes if process.returncode]
                if failed:
                    raise SystemExit(f"{failed[0]} failed with exit code {self.code(failed[0])}")
                time.sleep(0.005)
        finally:
            self.end_all()
        failed = [label for label, process in self.processes if process.returncode]
        if failed:
            raise SystemExit(f"{failed[0]} failed with exit code {self.code(failed[0])}")

    def code(self, label):
        return next(process.returncode for name, process in self.processes if name == label and process.returncode)

    def look(self):
        for label, process in self.processes:
            for pid in process_group(process.pid) if process.poll() is None else []:
                self.peaks[label] = max(self.peaks.get(label, 0), high_water(pid))

    def end_all(self):
        for _, process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def cpu_seconds(self):
        return children_cpu() - self.begin_cpu


def children_cpu():
    times = os.times()
    return times.children_user + times.children_system


def process_group(leader):
    """The leader and, for pg_dump and pg_restore, the workers that it forks."""
    try:
        children = pathlib.Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    except (OSError, ValueError):
        children = []
    return [leader, *map(int, children)]


def high_water(pid):
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    except (OSError, ValueError):
        return 0
    return int(match.group(1)) * 1024 if match else 0


# --- the cases ---------------------------------------------------------------------------------------


class Bench:
    def __init__(self, options, source, target, work):
        self.options, self.source, self.target, self.work = options, source, target, work
        self.figures = {}

    def run(self):
        self.fill()
        # Without indexes on the source a whole migration is one of data only.
        self.compare("pipes", self.pipes, "data")
        self.source.psql(INDEXES)
        self.compare("dump", self.dump_and_restore, "whole")
        if self.options.json:
            pathlib.Path(self.options.json).write_text(json.dumps(self.figures, indent=1))
        return self.page()

    def compare(self, rival, run_rival, ours):
        """In turn, so that a machine that slows down slows both."""
        cases = [(rival, run_rival)]
        if not self.options.baseline_only:
            cases.append((ours, lambda: self.pgpipe(PGPIPE)))
        if self.options.before:
            cases.append((f"{ours} before", lambda: self.pgpipe(self.options.before)))
        for number in range(1, self.options.runs + 1):
            for name, case in cases:
                self.prepare()
                figure = case()
                self.check(name)
                self.figures.setdefault(name, []).append(figure)
                say(f"run {number}, {name}: {figure['wall']:.2f} s, CPU {figure['cpu']:.2f} s")

    def fill(self):
        begin = time.monotonic()
        self.source.recreate()
        self.source.psql(SCHEMA)

        def load(tables):
            for table in tables:
                share, select = FILL[table]
                rows = max(1, int(self.options.rows * share))
                self.source.psql(f"SET TimeZone = 'UTC'; SELECT setseed(0.5); INSERT INTO {table} {select} "
                                 f"FROM generate_series(0::bigint, {rows} - 1) AS i")

        in_threads([lambda: load(["vm_disk_samples_history"]), lambda: load([t for t in FILL if FILL[t][0] != 1])])
        for table in FILL:
            self.source.psql(f"VACUUM (FREEZE, ANALYZE) {table}")
        self.heap = int(self.source.psql("SELECT sum(pg_table_size(oid)) FROM pg_class WHERE relkind = 'r' "
                                         "AND relnamespace = 'public'::regnamespace"))
        self.rows = {table: self.source.psql(f"SELECT count(*) FROM {table}") for table in FILL}
        say(f"source filled: {self.heap / 1e9:.2f} GB of heap in {time.monotonic() - begin:.0f} s")

    def prepare(self):
        self.target.recreate()
        for server in (self.source, self.target):
            server.psql("CHECKPOINT", "postgres")

    def check(self, case):
        """A fast case that lost rows would be no result."""
        for table, rows in self.rows.items():
            found = self.target.psql(f"SELECT count(*) FROM {table}")
            if found != rows:
                sys.exit(f"{case}: {table} has {found} rows in the target and {rows} in the source")

    def measure(self, action):
        """Wall time of `action(watched)`; CPU of its programs and of both servers."""
        before = self.source.cpu_seconds() + self.target.cpu_seconds()
        watched, begin = Watched(), time.monotonic()
        extra = action(watched) or {}
        wall, programs = time.monotonic() - begin, watched.cpu_seconds()
        servers = self.source.cpu_seconds() + self.target.cpu_seconds() - before
        return {"wall": wall, "cpu": programs + servers, "cpu_programs": programs, "cpu_servers": servers,
                "rss": watched.peaks, **extra}

    def pipes(self):
        self.target.psql(SCHEMA)
        lanes = self.lanes()

        def action(watched):
            for number, lane in enumerate(lanes):
                watched.start(f"pipe {number + 1}", ["bash", "-c", lane])
            watched.wait()
        return self.measure(action)

    def lanes(self):
        """Parts of equal size where the largest table is cut by ctid; the others go to the shorter lane."""
        sizes = {t: int(self.source.psql(f"SELECT pg_table_size('{t}') / 8192")) for t in FILL}
        jobs, largest = self.options.jobs, max(sizes, key=sizes.get)
        pages = int(self.source.psql(f"SELECT pg_relation_size('{largest}') / 8192"))
        lanes = [[0, []] for _ in range(jobs)]
        for number in range(jobs):
            low, high = pages * number // jobs, pages * (number + 1) // jobs
            until = f" AND ctid < '({high},0)'" if number + 1 < jobs else ""
            lanes[number][1].append(self.pipe(largest, f"WHERE ctid >= '({low},0)'{until}"))
            lanes[number][0] += high - low
        for table in sorted((t for t in sizes if t != largest), key=sizes.get, reverse=True):
            shortest = min(lanes, key=lambda lane: lane[0])
            shortest[1].append(self.pipe(table, ""))
            shortest[0] += sizes[table]
        return ["set -e -o pipefail; " + "; ".join(lane[1]) for lane in lanes]

    def pipe(self, table, where):
        psql = os.path.join(self.source.bin_dir, "psql") + " -XAtq -v ON_ERROR_STOP=1"
        read = f"COPY (SELECT * FROM ONLY {table} {where}) TO STDOUT (FORMAT binary)"
        write = f"COPY {table} FROM STDIN (FORMAT binary)"
        return (f'{psql} -d "{self.source.conninfo(DATABASE)}" -c "{read}" | '
                f'{psql} -d "{self.target.conninfo(DATABASE)}" -c "{write}"')

    def dump_and_restore(self):
        directory, jobs = str(self.work / "dump"), f"-j{self.options.jobs}"
        bin_dir = self.source.bin_dir

        def action(watched):
            watched.start("pg_dump", [f"{bin_dir}/pg_dump", "-Fd", "-Z0", jobs, "-f", directory,
                                      "-d", self.source.conninfo(DATABASE)])
            watched.wait()
            watched.start("pg_restore", [f"{bin_dir}/pg_restore", jobs, "-d", self.target.conninfo(DATABASE), directory])
            watched.wait()
        try:
            return self.measure(action)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def pgpipe(self, program):
        with tempfile.TemporaryDirectory(prefix="pair-", dir=self.work) as own:
            address, both = f"127.0.0.1:{free_port()}", ["--pair-file", f"{own}/pair", "--progress", "none"]
            report = pathlib.Path(own, "send.json")
            recv = [str(program), "recv", "--target", self.target.conninfo(DATABASE), "--listen", address,
                    "--state", f"{own}/recv", "--report", f"{own}/recv.json", *both]
            send = [str(program), "send", "--source", self.source.conninfo(DATABASE), "--connect", address,
                    "--state", f"{own}/send", "--report", str(report), "--jobs", str(self.options.jobs),
                    *both]

            def action(watched):
                watched.start("recv", recv, stdout=subprocess.DEVNULL)
                watched.start("send", send, stdout=subprocess.DEVNULL)
                watched.wait()
            figure = self.measure(action)
            return {**figure, **from_report(json.loads(report.read_text()), figure)}

    # --- the page ------------------------------------------------------------------------------------

    def page(self):
        lines = [*machine(self.source), self.workload(), ""]
        if "data" in self.figures:
            lines += self.table("data only", f"{self.options.jobs} psql COPY pipes", "pipes", "data", "data_seconds")
            lines += self.table("whole database", "pg_dump, pg_restore", "dump", "whole", "wall")
            lines += self.wire()
            if self.options.before:
                lines += self.before()
        else:
            lines += ["| case | wall, s | CPU, s | peak RSS |", "|---|---|---|---|"]
            lines += [f"| {name} | {self.median(name, 'wall'):.2f} | {self.median(name, 'cpu'):.2f} | {self.memory(name)} |"
                      for name in self.figures]
        return "\n".join(lines)

    def workload(self):
        rows = sum(int(rows) for rows in self.rows.values())
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True, capture_output=True, check=False)
        return (f"pgpipe {commit.stdout.strip() or 'of unknown commit'}. Workload: 4 tables of history shape, {rows:,} rows, {self.heap / 1e9:.2f} GB of heap, 8 indexes; "
                f"both servers and the clients on this machine; {self.options.jobs} jobs on either side; "
                f"{how_often(self.options.runs)}, taken in turn.")

    def table(self, title, rival, theirs, ours, wall_key):
        wall, rival_wall = self.median(ours, wall_key), self.median(theirs, "wall")
        cpu, rival_cpu = self.median(ours, "cpu"), self.median(theirs, "cpu")
        return [f"| {title} | {rival} | pgpipe | ratio |", "|---|---|---|---|",
                f"| wall, s | {rival_wall:.2f} | {wall:.2f} | {wall / rival_wall:.2f} |",
                f"| CPU with backends, s | {rival_cpu:.2f} | {cpu:.2f} | {cpu / rival_cpu:.2f} |",
                f"| CPU of the programs, s | {self.median(theirs, 'cpu_programs'):.2f} | "
                f"{self.median(ours, 'cpu_programs'):.2f} | |",
                f"| peak RSS | {self.memory(theirs)} | {self.memory(ours)} | |", ""]

    def before(self):
        rows = ["| pgpipe, whole database | before | now |", "|---|---|---|"]
        for title, figure in (("wall, s", lambda case: f"{self.median(case, 'wall'):.2f}"),
                              ("bytes of blocks, MB", lambda case: f"{self.median(case, 'wire_bytes') / 1e6:,.0f}"),
                              ("CPU of send and recv, s", lambda case: f"{self.median(case, 'cpu_programs'):.2f}"),
                              ("core-seconds per raw GB", lambda case: f"{self.per_gb(case):.2f}"),
                              ("peak RSS", self.memory)):
            rows.append(f"| {title} | {figure('whole before')} | {figure('whole')} |")
        return [*rows, ""]

    def per_gb(self, case):
        return self.median(case, "cpu_programs") / (self.median(case, "raw_bytes") / 1e9)

    def wire(self):
        raw, wire, udp = (self.median("whole", key) for key in ("raw_bytes", "wire_bytes", "udp_bytes"))
        per_gb = self.per_gb("whole")
        return [f"On the wire: {raw / 1e6:,.0f} MB of COPY data became {wire / 1e6:,.0f} MB of blocks "
                f"({raw / wire:.1f} times smaller) and {udp / 1e6:,.0f} MB over UDP. pgpipe's own CPU, both sides: "
                f"{per_gb:.2f} core-seconds per raw GB.", ""]

    def median(self, case, key):
        return statistics.median(figure[key] for figure in self.figures[case])

    def memory(self, case):
        labels = self.figures[case][0]["rss"]
        peak = lambda label: statistics.median(figure["rss"].get(label, 0) for figure in self.figures[case])
        return ", ".join(f"{label} {peak(label) / 2**20:.0f} MiB" for label in sorted(labels))


def from_report(report, figure):
    """The phase named data, or the whole run where the report has no such phase; and the bytes."""
    phases = {phase["name"]: phase["seconds"] for phase in report["phases"]}
    if "data" not in phases:
        sys.exit(f"the report has no phase named data, only {', '.join(phases)}")
    totals = report["totals"]
    peaks = {side: max(figure["rss"].get(side, 0), totals.get(f"peak_rss_{side}") or 0) for side in ("send", "recv")}
    return {"data_seconds": phases["data"], "rss": peaks, "phases": phases,
            **{key: totals[key] for key in ("raw_bytes", "wire_bytes", "udp_bytes")}}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_threads(actions):
    """Runs all; the first failure is raised once all have ended."""
    failures = []

    def guarded(action):
        try:
            action()
        except BaseException as failure:
            failures.append(failure)
    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def machine(server):
    cpu = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / 2**20
    version = server.psql("SHOW server_version", "postgres")
    return [f"Machine: {cpu.group(1).strip() if cpu else platform.machine()}, {os.cpu_count()} cores, "
            f"{memory:.0f} GiB of memory, Linux {platform.release()}, PostgreSQL {version}, "
            f"{datetime.date.today().isoformat()}.",
            f"Settings of both servers: {', '.join(f'{k} = {v}' for k, v in SETTINGS.items() if v)}; "
            "fsync on, synchronous_commit on.", ""]


def write_page(text):
    """Replaces what stands between the two marks, or ends the page with it."""
    block = f"{BEGIN}\n{text.strip()}\n{END}"
    old = PAGE.read_text() if PAGE.is_file() else "# Benchmarks\n\nMade by `make bench`.\n"
    if BEGIN in old and END in old:
        new = old[:old.index(BEGIN)] + block + old[old.index(END) + len(END):]
    else:
        new = f"{old.rstrip()}\n\n{block}\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(new)
    say(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
