# What a developer needs day to day. `make` alone says what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := tests/.venv
# pytest workers: the suite waits more than it computes, so two more than the cores.
WORKERS ?= $(shell echo $$(( $$(nproc) + 2 )))
STORE ?= both
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
# libFuzzer's instrumentation is unstable in rustc; this lets the stable compiler have it. Optimised as they are linked, the
# targets would each take minutes to build.
FUZZ := RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_LTO=off PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo fuzz

.PHONY: help
help: ## Show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: run
run: docs-ui web ## Build and start the server on http://localhost:8000
	cargo run -p convo-server --bin convo -- serve

.PHONY: release
release: docs-ui web ## The optimised binary, target/release/convo
	cargo build --release -p convo-server

.PHONY: release-tuned
release-tuned: docs-ui web ## As release, tuned by a profile of its own work, target/tuned/convo (half an hour on two cores)
	bench/tune.sh

.PHONY: web
web: web/dist/index.html ## Build the web app, which the binary serves

web/dist/index.html: web/node_modules/.installed $(shell git ls-files web/src web/public web/index.html web/vite.config.ts 2>/dev/null)
	cd web && npm run --silent build

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

.PHONY: check-web
check-web: web ## The web app: types, lints, unit tests, size
	cd web && npm run --silent check && npm run --silent size

.PHONY: check
check: ## Format, lints, unit tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked

# Every build is of all targets of the whole workspace (the fuzz targets among them): a part alone would want its
# dependencies anew, with fewer features.
.PHONY: test
test: postgres docs-ui check-web check test-socketio test-system test-media ## Everything but the web app in browsers (test-web): check, then the whole server from outside

.PHONY: test-socketio
test-socketio: ## The Socket.IO engine with the official clients
	crates/socketio/tests/clients/setup.sh
	cargo build --workspace --all-targets --locked
	ECHO_BIN="$(CURDIR)/target/debug/examples/echo" node --test crates/socketio/tests/clients/

.PHONY: docs-ui
docs-ui: crates/docs/ui/node_modules/.installed ## Fetch ReDoc for /redoc

crates/docs/ui/node_modules/.installed: crates/docs/ui/package-lock.json
	cd crates/docs/ui && npm ci --no-audit --no-fund
	touch $@

.PHONY: test-system
test-system: postgres $(VENV)/.installed tests/node/node_modules/.installed ## The server from outside (STORE=sqlite|postgres|both)
	cargo build --workspace --all-targets --locked
	cd tests && .venv/bin/ruff check --quiet . && .venv/bin/ruff format --check --quiet .
	cd tests && .venv/bin/pytest -n $(WORKERS) --dist load --maxschedchunk 4 --store=$(STORE) --ignore=lk/media $(PYTEST_ARGS)

# Several clients, each with encoders and decoders of its own, and browsers among them: one meeting at a time, and nothing
# else (no compiler, not the web app's browsers), or two cores are too few.
.PHONY: test-media
test-media: chromium firefox $(VENV)/.installed tests/node/node_modules/.installed ## LiveKit's clients for Python, Node and browsers look at each other's pictures
	cargo build --workspace --all-targets --locked
	cd tests && CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" FIREFOX="$${FIREFOX:-$$(command -v firefox-esr || command -v firefox)}" \
	  .venv/bin/pytest --store=sqlite lk/media $(PYTEST_ARGS)

.PHONY: test-livekit
test-livekit: $(VENV)/.installed ## Convo with LiveKit's own server for its media (LIVEKIT_SERVER=its program)
	@[[ -x "$$LIVEKIT_SERVER" ]] || { echo "LIVEKIT_SERVER must name LiveKit's program" >&2; exit 1; }
	cargo build --workspace --all-targets --locked
	cd tests && .venv/bin/pytest --store=sqlite lk/test_external.py $(PYTEST_ARGS)

# Two files at a time: a browser waits more than it computes.
.PHONY: test-web
test-web: chromium web $(VENV)/.installed ## The web app in browsers, over the server with its own media
	cargo build --workspace --all-targets --locked
	CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" npm --prefix web run --silent e2e

.PHONY: chromium
chromium:
	@[[ -n "$${CHROMIUM:-}" ]] || command -v chromium >/dev/null || $(MAKE) --no-print-directory apt PACKAGE=chromium

.PHONY: firefox
firefox:
	@[[ -n "$${FIREFOX:-}" ]] || command -v firefox-esr firefox >/dev/null || $(MAKE) --no-print-directory apt PACKAGE=firefox-esr

$(VENV)/.installed: tests/requirements.txt
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory apt PACKAGE=python3-venv
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

tests/node/node_modules/.installed: tests/node/package-lock.json
	cd tests/node && npm ci --no-audit --no-fund
	touch $@

.PHONY: postgres
postgres:
	@command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || $(MAKE) --no-print-directory apt PACKAGE=postgresql

.PHONY: apt
apt:
	@[[ $$(id -u) == 0 ]] && command -v apt-get >/dev/null \
	  || { echo 'The tests need $(PACKAGE): please install it (Debian: apt-get install $(PACKAGE)).' >&2; exit 1; }
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGE) >/dev/null

.PHONY: bench-chat
bench-chat: ## Measure chat against its peers (bench/README.md)
	cargo build --profile bench-run -p convo-server -p convo-bench
	cd bench/peers/node && npm ci --no-audit --no-fund
	target/bench-run/convo-bench chat $(BENCH_ARGS)

.PHONY: bench-media
bench-media: ## Measure media beside a LiveKit server (LIVEKIT_SERVER=its program)
	cargo build --profile bench-run -p convo-server -p convo-bench
	target/bench-run/convo-bench media compare $(BENCH_ARGS)

.PHONY: fuzz
fuzz: cargo-fuzz ## Run every fuzz target for a minute (FUZZ_SECONDS=60)
	$(FUZZ) build
	for target in $$($(FUZZ) list); do \
	  mkdir -p fuzz/corpus/$$target fuzz/seeds/$$target; \
	  $(FUZZ) run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -len_control=0 -max_len=4096; \
	done

.PHONY: cargo-fuzz
cargo-fuzz:
	@PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked --root target/tools cargo-fuzz
