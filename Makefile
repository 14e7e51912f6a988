# Everything a newcomer needs is `make run` and `make test`; both set themselves up.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
VENV ?= .venv
DEMO ?= demo
ACTIONLINT := v1.7.12
BEAM := $(shell sed -n 's/^apache-beam==//p' requirements.lock)
FUZZ_SECONDS ?= 3600
FUZZ_SEED ?= $(shell date +%s)
LOWEST_PYTHON ?= python3.11
LOWEST_TESTS := schemas $(addprefix components/,decoding statistics storage runs samples summary dataset gate verdict report \
	explore) $(addprefix pipeline/,commands console nightly test_cli.py) docs \
	$(addprefix end_to_end/test_,evaluate.py compact.py summarize_command.py)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test test-long fuzz soak lint types docs check deploy-check test-engines test-lowest bench dist lock \
	screenshots clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

$(VENV)/.base: scripts/check_system.py
	@$(PYTHON) scripts/check_system.py
	@echo "dicebeam: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.base requirements.lock setup.py
	@echo "dicebeam: installing what requirements.lock names; TensorFlow and Beam are big, so this takes minutes, once"
	@$(PIP) install -r requirements.lock
	@rm -rf dicebeam.egg-info # left by an older build, it would tell an older version
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "dicebeam: installing the test tools"
	@$(PIP) install -r requirements-dev.lock
	@touch $@

run: $(VENV)/.run ## make the demo data set, evaluate it, and ask the tables a question in SQL
	@test -f $(DEMO)/config.yaml || $(BIN)/dicebeam demo $(DEMO)
	$(BIN)/dicebeam evaluate $(DEMO)/config.yaml
	@echo
	$(BIN)/dicebeam query $(DEMO)/reports "SELECT sample_id, site, scanner, age, class_name, round(dice, 4) AS dice, true_positives AS tp, false_positives AS fp, false_negatives AS fn FROM worst_samples WHERE class_name <> 'background' ORDER BY worst_samples.dice, sample_id, class_name LIMIT 8"

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-long: $(VENV)/.dev ## run the tests of whole commands that are killed, hang, or run thirty nights
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long

fuzz: $(VENV)/.dev ## damage shards, records, images and configs for an hour (FUZZ_SECONDS); finds are kept in .fuzz
	DICEBEAM_FUZZ_SECONDS=$(FUZZ_SECONDS) DICEBEAM_FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m pytest tests/fuzz -s --timeout=0

soak: $(VENV)/.dev ## evaluate 100,000 records, some of them bad, kill it three times, and count
	$(BIN)/python -m benchmarks.soak

lint: $(VENV)/.dev ## ruff: style and mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict on the three rooms
	@mkdir -p .mypy && ln -sfn $(CURDIR) .mypy/dicebeam
	$(BIN)/mypy

docs: $(VENV)/.dev ## build the documentation and the API reference in build/docs; a warning fails it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "dicebeam: wrote build/docs/index.html; to search it: $(BIN)/python -m http.server --directory build/docs"

check: lint types test test-long ## lint, types and tests: what CI runs, with deploy-check and test-engines

.venv-%/.made: tests/deploy/%.lock
	@echo "dicebeam: making .venv-$*, for the tests of deploy/ alone"
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@touch $@

.deploy-tools/.made:
	@mkdir -p .deploy-tools
	@if command -v go >/dev/null; then GOBIN=$(CURDIR)/.deploy-tools go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT); fi
	@touch $@

deploy-check: $(VENV)/.dev .venv-airflow/.made .venv-kfp/.made .deploy-tools/.made ## run deploy/ with Airflow and Kubeflow Pipelines themselves
	DICEBEAM_DEPLOY_CHECK=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/deploy

.engines-tools/.made: requirements.lock tests/engines/flink.pom.xml
	@mkdir -p .engines-tools
	@if command -v go >/dev/null; then \
		echo "dicebeam: building Prism $(BEAM) with Go, once"; \
		GOBIN=$(CURDIR)/.engines-tools go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(BEAM); \
	else echo "dicebeam: Go is not here, so Prism is left out"; fi
	@if [ -n "$$DICEBEAM_FLINK_JAR" ]; then :; \
	elif command -v java >/dev/null && command -v mvn >/dev/null; then \
		echo "dicebeam: fetching Flink and Beam's runner for it with Maven, once"; \
		mvn --batch-mode --quiet -f tests/engines/flink.pom.xml -Dfolder=$(CURDIR)/.engines-tools/flink clean package \
			>.engines-tools/maven.log 2>&1 || \
			{ cat .engines-tools/maven.log; exit 1; }; \
	else echo "dicebeam: Java and Maven are not here, so Flink is left out"; fi
	@touch $@

test-engines: $(VENV)/.dev .engines-tools/.made ## run the same graph on Prism, job services, worker pools and a Flink cluster
	DICEBEAM_ENGINES=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/engines tests/end_to_end/test_remote.py tests/end_to_end/test_remote_transform.py

.venv-lowest/.made: requirements-lowest.lock setup.py
	@echo "dicebeam: making .venv-lowest, with the lowest versions that setup.py allows"
	@$(LOWEST_PYTHON) -m venv --clear .venv-lowest
	@.venv-lowest/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@.venv-lowest/bin/python -m pip --disable-pip-version-check --quiet install --no-deps -e .
	@touch $@

test-lowest: .venv-lowest/.made ## run the tests of tables, statistics, SQL and commands with the lowest versions that setup.py allows
	.venv-lowest/bin/python -m pytest -n 2 --dist loadfile -m "not long" $(addprefix tests/,$(LOWEST_TESTS))

bench: $(VENV)/.dev ## measure throughput, memory and start against what they are held to
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.start

dist: $(VENV)/.dev ## build the sdist and the wheel in dist/, check what an index would show, and test them in a fresh environment
	rm -rf build dist dicebeam.egg-info
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	DICEBEAM_DIST=$(CURDIR)/dist $(BIN)/python -m pytest tests/end_to_end/test_wheel.py

lock: $(VENV)/.dev ## resolve setup.py anew into the lock files, for every supported Python, and for the lowest versions
	$(PIP) install uv
	@mkdir -p build && rm -f build/lowest.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --output-file requirements.lock setup.py
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra dev --extra docs --constraint requirements.lock --output-file requirements-dev.lock setup.py
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 --no-header --no-annotate --output-file build/lowest.lock setup.py
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --no-annotate --extra dev --constraint build/lowest.lock --output-file requirements-lowest.lock setup.py
	for name in airflow kfp; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --output-file tests/deploy/$$name.lock tests/deploy/$$name.in; done

screenshots: $(VENV)/.dev ## make the picture of the report in docs/images; needs Chromium
	$(BIN)/python scripts/screenshot.py $(CHROMIUM)

clean: ## remove the environment, the demo and caches
	rm -rf .mypy $(VENV) .venv-airflow .venv-kfp .venv-lowest .deploy-tools .engines-tools $(DEMO) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
