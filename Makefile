# Every target installs what it needs; `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo test soak chart check pythons format docs site screenshots bench flame coverage mutants lock release clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-12s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## run a local demo with sample traffic and a TikTok simulator; ARGS="..." are passed on
	@scripts/set-up demo
	@$(BIN)/tiktok-forwarder demo $(ARGS)

# Tests that must not run at the same time share a group: @pytest.mark.xdist_group.
test: STORE ?= sqlite
test: ## run every test; ARGS="-k name" selects tests; STORE=postgresql runs those of services on that store
	@scripts/set-up dev
	$(PYTEST) -n 2 --dist loadgroup --store=$(STORE) $(ARGS)

# SOAK=long takes most of a day. The quarter of an hour at moderate load comes first, and has the machine for itself.
# pytest ends with 5 if ARGS select no test of the one half.
soak: SOAK ?= 1
soak: MODERATE := tests/crash/test_moderate_load.py
soak: ## run the long crash tests and 15 minutes at moderate load; prints the account of every event; SOAK=long for more
	@scripts/set-up dev
	SOAK=$(SOAK) SOAK_SAMPLES=build/soak.csv $(PYTEST) $(MODERATE) $(ARGS) || [ $$? -eq 5 ]
	SOAK=$(SOAK) $(PYTEST) tests/crash --ignore $(MODERATE) -n 2 --dist loadgroup --durations=10 $(ARGS) || [ $$? -eq 5 ]

chart: ## draw the samples of the last soak as docs/images/soak.svg
	@scripts/set-up dev
	$(BIN)/python -m scripts.soak_chart $(ARGS)

check: ## check format, lint, import contracts and types, and run the quick tests: before every commit
	@scripts/set-up dev
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/lint-imports
	$(BIN)/python -m mypy
	$(PYTEST) -n 2 --dist loadgroup -m "not slow" $(ARGS)

pythons: ## run `make check` with each supported Python that is installed; PYTHONS="..." names others
	@scripts/test-pythons

format: ## format the code and fix what the linter can fix
	@scripts/set-up dev
	$(BIN)/python -m ruff format
	$(BIN)/python -m ruff check --fix

docs: ## regenerate docs/reference/ from the program
	@scripts/set-up dev
	$(BIN)/python -m scripts.write_reference
	$(BIN)/python -m scripts.write_help

site: ## build the docs site in build/site, and print how to view it
	@scripts/set-up dev
	@$(BIN)/python -m scripts.docs_site

screenshots: ## take the pictures of README and docs again
	@scripts/set-up dev
	$(PYTEST) -n 0 tests/browser/test_docs_screenshots.py --write-screenshots $(ARGS)

bench: ## measure; ARGS="mapping" selects one of bench/bench_*.py; AGAINST=/path/to/another/checkout compares with it
	@scripts/set-up dev
	AGAINST="$(AGAINST)" $(BIN)/python -m bench $(ARGS)

# Needs root, or the right to trace other processes.
flame: ## profile the service under load and draw docs/images/flame-*.svg
	@scripts/set-up dev
	$(BIN)/python -m bench.flame
	$(BIN)/python -m scripts.flame_graph $(ARGS)

coverage: ## show which lines and branches the quick tests do not reach
	@scripts/set-up dev
	$(BIN)/python -m coverage run -m pytest -m "not slow"
	$(BIN)/python -m coverage report --skip-covered --show-missing

mutants: ## change the product in small ways and list what no quick test notices; ARGS="--help" shows the options
	@scripts/set-up dev
	@$(BIN)/python -m scripts.mutants $(ARGS)

# The largest set is first, and the others use its versions. Index URLs are omitted: each user has their own.
lock: ## update requirements/*.txt from their .in files; ARGS=--upgrade uses the newest versions
	@scripts/set-up dev
	cd requirements && for set in dev demo runtime; do \
	    ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --no-header $(ARGS) $$([ $$set = dev ] || echo --constraints dev.txt) --output-file $$set.txt $$set.in \
	        || exit 1; \
	done

release: ## build a tagged version into dist/, without publishing it; ARGS=--trial for a commit without a tag, ARGS=--help
	@scripts/set-up dev
	@$(BIN)/python -m scripts.release $(ARGS)

clean: ## remove the virtual environment, the demo's state and every cache
	rm -rf .venv demo-data dist build .coverage .*_cache .hypothesis tests/browser/node_modules tests/browser/screenshots
