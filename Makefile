# What one does with this tree. `make` alone lists it.

CARGO ?= cargo
# Rows of history in `make demo`.
ROWS ?= 1000000
# Options of `make bench`, for example BENCH="--rows 1000000 --runs 1 --write".
BENCH ?=
# Options of `make bench-codec`, for example CODEC="--shape mail_stats --runs 3", or CODEC=--write.
CODEC ?=
# PostgreSQL versions that `make setup` fetches for the tests, beside the one that is installed.
SERVERS ?= 10 12 13 18
# Options of `make bench-many`, for example MANY="--case tables --runs 3", or MANY=--write.
MANY ?=
# Options of `make bench-split`, for example SPLIT="--rows 31000000 --runs 3 --write".
SPLIT ?=
# Seconds per target of `make fuzz`.
FUZZ_SECONDS ?= 60
# Faults of `make chaos`, and the seed that repeats a run; without one the clock chooses it.
FAULTS ?= 200
SEED ?=
# Options of `make bench-kills`, for example KILLS="--moments 3", or KILLS=--write.
KILLS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fidelity test-versions chaos check audit bench bench-codec bench-kills bench-many bench-split fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: PostgreSQL's server and client programs, pgbouncer, a C compiler, servers of older versions
	@scripts/setup pgbouncer
	@scripts/servers $(SERVERS)

demo: setup ## move ROWS rows between two throw-away servers and compare them
	$(CARGO) run --release --quiet -- demo --rows $(ROWS)

test: setup ## all tests; those against a server make their own
	$(CARGO) test

test-versions: setup ## each source from 10 to 18 into 18, 15 into each target from 15 up, older targets (fetches a server of each)
	@scripts/servers
	$(CARGO) test --test versions -- --include-ignored

chaos: setup ## FAULTS faults at random moments of migrations, each of which must end equal (SEED= repeats a run)
	SEED=$(SEED) FAULTS=$(FAULTS) $(CARGO) test --test chaos -- --ignored --nocapture
	$(CARGO) test --test links -- --ignored

test-fidelity: setup ## each database of tests/fidelity there and back in every format, chunk size and number of jobs
	$(CARGO) test --test fidelity -- --include-ignored

check: ## format, lints and documentation, without a warning
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

audit: ## advisories, licences and sources of the dependencies, no unsafe code, no leaks (OFFLINE=1: no advisories)
	@scripts/audit

bench: setup ## measure against psql COPY pipes and pg_dump | pg_restore (BENCH="--write" keeps the table)
	$(CARGO) build --release
	python3 scripts/bench.py $(BENCH)

bench-codec: ## measure the block codec against zstd and lz4 over rows, one core (CODEC=--write keeps the table)
	$(CARGO) bench --bench codec -- $(CODEC)

bench-many: setup ## measure 20,000 large objects and 10,000 tables against pg_dump and pg_restore (MANY=--write keeps the table)
	$(CARGO) build --release
	python3 scripts/bench_many.py $(MANY)

bench-split: setup ## measure one table of a source before 14 against pg_dump and pg_restore (SPLIT=--write keeps the table)
	$(CARGO) build --release
	python3 scripts/bench_split.py $(SPLIT)

bench-kills: setup ## kill pgpipe and pgcopydb at the same moments and count rows (installs pgcopydb; KILLS=--write keeps the table)
	@scripts/setup pgcopydb
	$(CARGO) build --release
	python3 scripts/kill_compare.py $(KILLS)

fuzz: ## run every fuzz target for FUZZ_SECONDS each (installs cargo-fuzz)
	@scripts/fuzz $(FUZZ_SECONDS)
