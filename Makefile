# `make demo` and `make test` set everything up by themselves on a machine with Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= 2

.PHONY: demo test torture fuzz mutation lint bench clean

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/copytrader demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Thousands of simulated runs, each from a seed of its own; one that fails prints how to repeat it. What the
# tests leave out of their default run: whole trading histories (COPYTRADER_DATA names their folder). Then
# real engines, killed for about an hour, without their database for twenty minutes, frozen, ended and short
# of disk for forty.
torture: $(VENV)/.installed
	$(BIN)/python -m tests.unknown_outcomes --cases 5000 --jobs $(JOBS)
	$(BIN)/python -m tests.simulation --seeds 5000 --venue all --jobs $(JOBS)
	$(BIN)/python -m tests.simulation --seeds 1000 --venue all --jobs $(JOBS) --paced
	$(BIN)/python -m tests.simulation --seeds 1000 --venue all --jobs $(JOBS) --storm
	$(BIN)/python -m tests.simulation --seeds 1000 --venue all --jobs $(JOBS) --mines
	$(BIN)/python -m tests.simulation --seeds 500 --venue all --jobs $(JOBS) --bans
	$(BIN)/python -m tests.simulation --seeds 200 --venue all --jobs $(JOBS) --twice
	$(BIN)/python -m tests.simulation --seeds 1000 --venue all --jobs $(JOBS) --alarms
	test -z "$$COPYTRADER_DATA" || \
	$(BIN)/python -m tests.simulation --seeds 1000 --venue all --jobs $(JOBS) --history "$$COPYTRADER_DATA/fills"
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m tests.crashes --kills 350
	$(BIN)/python -m tests.crashes --kills 150 --ledger postgres
	$(BIN)/python -m tests.crashes --outages 20
	$(BIN)/python -m tests.crashes --hardships 20
	$(BIN)/python -m tests.crashes --hardships 20 --ledger postgres
	$(BIN)/python -m tests.fuzz.million --frames 1000000 --control 1000000
	$(BIN)/python -m tests.fire --crashes 1000
	$(BIN)/python -m tests.soak --virtual-hours 24 --real-minutes 60

# A minute for each reader of bytes from outside; guided by coverage where atheris has a wheel.
fuzz: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check 'atheris>=2.3' || echo "no atheris here: hypothesis alone"
	$(BIN)/python -m tests.fuzz

# Every function of model/ changed in every small way, about seven thousand: which changes does no test notice?
mutation: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[mutation]'
	rm -rf mutants
	$(BIN)/python -m tests.mutation --least 0.9

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants
