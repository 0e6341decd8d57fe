#!/usr/bin/env python3
"""Measures pgpipe with one large table on a server that has no page ranges, against pg_dump and pg_restore.

The source is a server of an older version (scripts/servers), the target the one that is installed. The table
is read by ranges of its key, and once more with its rows in no order, so that none can be used: by address.
Each run begins with an empty target, after a checkpoint. Prints a markdown table; --write puts it into the docs.
"""

import argparse
import os
import pathlib
import statistics
import tempfile

import bench

TABLE = "vm_disk_samples_history"
BEGIN, END = "<!-- bench_split.py begins -->", "<!-- bench_split.py ends -->"
INDEXES = [line for line in bench.INDEXES.splitlines() if TABLE in line]
CASES = {"in the order of its key": "", "in no order": " ORDER BY random()"}


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="pgpipe-bench-", dir=options.dir) as work:
        os.chmod(work, 0o755)
        clients = bench.find_bin_dir(None)
        programs = together(options.server, clients, pathlib.Path(work))
        with bench.Server(programs, work, "source") as source, bench.Server(clients, work, "target") as target:
            page = run(options, source, target, pathlib.Path(work))
    print(page)
    if options.write:
        write_page(page)


def arguments():
    servers = os.environ.get("PGPIPE_SERVERS", bench.ROOT / "target" / "servers")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=f"{servers}/13/bin", help="the source's initdb and postgres (default 13's)")
    parser.add_argument("--case", choices=CASES, action="append", help="only this one (may be repeated)")
    parser.add_argument("--rows", type=int, default=8_000_000, help="rows of the table (default 8000000)")
    bench.shared_arguments(parser, runs=1)
    return parser.parse_args()


def together(server, clients, work):
    """The server of one version beside the client programs of another; each finds its files by its real path."""
    programs = work / "bin"
    programs.mkdir()
    for place, names in ((server, ("initdb", "postgres")), (clients, ("psql", "pg_dump", "pg_restore", "pg_isready"))):
        for name in names:
            (programs / name).symlink_to(pathlib.Path(place, name).resolve())
    return str(programs)


def run(options, source, target, work):
    rows = []
    for case in options.case or CASES:
        bench.say(f"a table of {options.rows} rows, {case}")
        fill(source, options.rows, CASES[case])
        one = bench.Bench(options, source, target, work)
        one.rows = {TABLE: str(options.rows)}
        both = [[measured(one, case, do) for do in (one.dump_and_restore, lambda: one.pgpipe(bench.PGPIPE))]
                for _ in range(options.runs)]
        dump, ours = (statistics.median(figures["wall"] for figures in side) for side in zip(*both))
        bench.say(f"{dump:.2f} s with pg_dump and pg_restore, {ours:.2f} s with pgpipe")
        rows.append(f"| {case} | {dump:.2f} | {ours:.2f} | {ours / dump:.2f} |")
    version = source.psql("SHOW server_version", "postgres").split()[0]
    size = int(source.psql(f"SELECT pg_relation_size('{TABLE}')"))
    return "\n".join([
        *bench.machine(target),
        f"One table on PostgreSQL {version}, {options.rows:,} rows, {size / 1e9:.2f} GB of heap, {len(INDEXES)} indexes; "
        f"{options.jobs} jobs on either side; {bench.how_often(options.runs)}.",
        "",
        "| whole database, wall, s | pg_dump, pg_restore | pgpipe | ratio |",
        "|---|---|---|---|",
        *rows,
    ])


def measured(one, case, do):
    one.prepare()
    figures = do()
    one.check(case)
    return figures


def fill(source, rows, order):
    source.recreate()
    create = next(part for part in bench.SCHEMA.split(";") if TABLE in part)
    select = bench.FILL[TABLE][1]
    source.psql(create)
    source.psql(f"INSERT INTO {TABLE} {select} FROM generate_series(1::bigint, {rows}) i{order}")
    for index in INDEXES:
        source.psql(index)
    source.psql("VACUUM ANALYZE", bench.DATABASE)


def write_page(text):
    page = bench.PAGE.read_text()
    before, rest = page.split(BEGIN)
    bench.PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
