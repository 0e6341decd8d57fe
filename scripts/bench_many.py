#!/usr/bin/env python3
"""Measures pgpipe with very many small things, against pg_dump and pg_restore.

  objects   20,000 large objects of up to 32 kB
  tables    10,000 tables of a few rows, with three indexes each

Each run begins with an empty target, after a checkpoint. The databases are held against one another by SQL after
each. Prints a markdown table; --write puts it into the docs.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

import bench

BEGIN, END = "<!-- bench_many.py begins -->", "<!-- bench_many.py ends -->"
# Tables that are made in one transaction, which holds a few locks for each of them.
BATCH = 200
# `pg_dump -j` needs a slot of the lock table for each of 10,000 tables in each of its sessions.
bench.SETTINGS["max_locks_per_transaction"] = "256"


def main():
    options = arguments()
    if not bench.PGPIPE.is_file():
        sys.exit(f"{bench.PGPIPE} is missing: run cargo build --release, or make bench-many")
    with tempfile.TemporaryDirectory(prefix="pgpipe-bench-", dir=options.dir) as work:
        os.chmod(work, 0o755)
        programs = bench.find_bin_dir(options.pg_bin)
        with bench.Server(programs, work, "source") as source, bench.Server(programs, work, "target") as target:
            page = run(options, source, target, pathlib.Path(work))
    print(page)
    if options.write:
        write_page(page)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append", help="only this one (may be repeated)")
    parser.add_argument("--objects", type=int, default=20_000, help="large objects (default 20000)")
    parser.add_argument("--tables", type=int, default=10_000, help="tables (default 10000)")
    bench.shared_arguments(parser, runs=1)
    bench.program_arguments(parser)
    return parser.parse_args(namespace=argparse.Namespace(baseline_only=False))


def run(options, source, target, work):
    rows, figures = [], {}
    for case in options.case or CASES:
        fill, facts = CASES[case]
        source.recreate()
        what = fill(options, source)
        bench.say(f"{case}: {what}")
        many = Many(options, source, target, work, facts(options))
        many.compare("dump", many.dump_and_restore, "ours")
        figures[case] = many.figures
        rows.append(many.row(what))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1))
    return "\n".join([
        *bench.machine(target),
        f"{options.jobs} jobs on either side; {bench.how_often(options.runs)}, taken in turn.",
        "",
        *heading(options),
        *rows,
    ])


def heading(options):
    before = ["pgpipe before"] if options.before else []
    columns = ["whole database, wall, s", "pg_dump, pg_restore", *before, "pgpipe", "ratio", "peak RSS"]
    return [line(columns), "|" + "---|" * len(columns)]


def line(cells):
    return f"| {' | '.join(cells)} |"


class Many(bench.Bench):
    """Holds both databases against one another by the queries of the case."""

    def __init__(self, options, source, target, work, facts):
        super().__init__(options, source, target, work)
        self.facts = facts

    def check(self, case):
        for fact in self.facts:
            found, expected = self.target.psql(fact), self.source.psql(fact)
            if found != expected:
                sys.exit(f"{case}: {fact} gives {found} in the target and {expected} in the source")

    def row(self, what):
        cases = ["dump", *(["ours before"] if self.options.before else []), "ours"]
        walls = [self.median(case, "wall") for case in cases]
        ratio = walls[-1] / walls[0]
        return line([what, *(f"{wall:.2f}" for wall in walls), f"{ratio:.2f}", self.memory("ours")])


# --- the cases ---------------------------------------------------------------------------------------


def fill_objects(options, source):
    """Of text that hardly compresses; one in a hundred is empty."""
    count = options.objects
    for begin in range(0, count, BATCH):
        source.psql(f"""
            SELECT lo_from_bytea(100000 + i, convert_to(coalesce(
                (SELECT left(string_agg(md5(i || '/' || j), ''), i * 7919 % 32768 * (i % 100 > 0)::int)
                 FROM generate_series(0, i * 7919 % 32768 / 32) j), ''), 'UTF8'))
            FROM generate_series({begin}, {min(begin + BATCH, count)} - 1) i""")
    source.psql("VACUUM ANALYZE pg_largeobject")
    size = int(source.psql("SELECT sum(length(data)) FROM pg_largeobject"))
    return f"{count:,} large objects, {size / 1e6:,.0f} MB"


def fill_tables(options, source):
    count = options.tables
    for begin in range(0, count, BATCH):
        source.psql("".join(create(number) for number in range(begin, min(begin + BATCH, count))))
    source.psql("VACUUM ANALYZE", bench.DATABASE)
    return f"{count:,} tables of ten rows, {count * 3:,} indexes"


def create(number):
    table = f"app.t{number:05}"
    first = "CREATE SCHEMA IF NOT EXISTS app;" if number == 0 else ""
    return f"""{first}
        CREATE TABLE {table} (id bigint NOT NULL, at timestamptz NOT NULL, name text, amount numeric(12, 2) DEFAULT 0);
        INSERT INTO {table} SELECT i, timestamptz '2024-03-01 00:00+00' + i * interval '1 h', md5(i::text), i
            FROM generate_series(1, 10) i;
        ALTER TABLE {table} ADD CONSTRAINT t{number:05}_pkey PRIMARY KEY (id);
        CREATE INDEX t{number:05}_at ON {table} (at);
        CREATE UNIQUE INDEX t{number:05}_name ON {table} (lower(name), id);
    """


def object_facts(_):
    return ["SELECT count(*), sum(oid::bigint * lomowner::bigint % 1000003) FROM pg_largeobject_metadata",
            "SELECT count(*), sum(length(data)), md5(string_agg(md5(data), '' ORDER BY loid, pageno)) FROM pg_largeobject"]


def table_facts(options):
    """A transaction that read every table would need more locks than the server has."""
    facts = ["SELECT count(*) FROM pg_tables WHERE schemaname = 'app'",
             "SELECT count(*), md5(string_agg(indexdef, ';' ORDER BY indexname)) FROM pg_indexes WHERE schemaname = 'app'",
             "SELECT count(*) FROM pg_constraint WHERE connamespace = 'app'::regnamespace"]
    for begin in range(0, options.tables, BATCH):
        tables = (f"SELECT * FROM app.t{number:05}" for number in range(begin, min(begin + BATCH, options.tables)))
        facts.append(f"SELECT count(*), sum(hashtext(t::text)) FROM ({' UNION ALL '.join(tables)}) t")
    return facts


CASES = {"objects": (fill_objects, object_facts), "tables": (fill_tables, table_facts)}


def write_page(text):
    page = bench.PAGE.read_text()
    before, rest = page.split(BEGIN)
    bench.PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
