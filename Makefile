# Every target does its own set-up; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test soak check format docs bench coverage mutants lock clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## watch mParticle traffic become TikTok events, all on this machine; ARGS="..." are passed on
	@scripts/set-up demo
	@$(BIN)/tiktok-forwarder demo $(ARGS)

# Tests that must not run beside one another share a group: @pytest.mark.xdist_group.
test: ## run every test; ARGS="-k name" chooses
	@scripts/set-up dev
	$(PYTEST) -n 2 --dist loadgroup $(ARGS)

soak: ## kill the service a thousand times, and at every worst instant; prints the account of every event
	@scripts/set-up dev
	SOAK=1 $(PYTEST) tests/crash $(ARGS)

check: ## format, lint, import contracts, types and the quick tests: before every commit
	@scripts/set-up dev
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/lint-imports
	$(BIN)/python -m mypy
	$(PYTEST) -n 2 --dist loadgroup -m "not slow" $(ARGS)

format: ## format the code and mend what the linter can mend
	@scripts/set-up dev
	$(BIN)/python -m ruff format
	$(BIN)/python -m ruff check --fix

docs: ## write docs/reference/ anew, from what the program knows of itself
	@scripts/set-up dev
	$(BIN)/python -m scripts.write_reference

bench: ## measure; ARGS="mapping" chooses one of bench/bench_*.py
	@scripts/set-up dev
	$(BIN)/python -m bench $(ARGS)

coverage: ## which lines and branches the quick tests reach
	@scripts/set-up dev
	$(BIN)/python -m coverage run -m pytest -m "not slow"
	$(BIN)/python -m coverage report --skip-covered --show-missing

mutants: ## change the product in small ways and list what no quick test notices; ARGS="--help" says more
	@scripts/set-up dev
	@$(BIN)/python -m scripts.mutants $(ARGS)

# The largest set comes first, and the others take its versions. Index addresses stay out: everyone has their own.
lock: ## bring requirements/*.txt up to date with their .in files; ARGS=--upgrade takes the newest versions
	@scripts/set-up dev
	$(BIN)/python -m pip install --quiet uv
	cd requirements && for set in dev demo runtime; do \
	    ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --no-header $(ARGS) $$([ $$set = dev ] || echo --constraints dev.txt) --output-file $$set.txt $$set.in \
	        || exit 1; \
	done

clean: ## remove the virtual environment, the demo's state and every cache
	rm -rf .venv demo-data dist build .coverage .*_cache .hypothesis tests/browser/node_modules tests/browser/screenshots
