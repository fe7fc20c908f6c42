# Everything runs from a fresh clone with Python >= 3.11 and make; nothing is installed outside .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.runtime
DEVELOP := $(VENV)/.develop
DOCUMENT := $(VENV)/.document

.DEFAULT_GOAL := help
.PHONY: help demo test exhaustive lint format types docs readme bench verdicts fuzz clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

demo: $(RUNTIME) ## install without torch and look at the bundled checkpoint
	$(BIN)/rnndiag spectrum
	$(BIN)/rnndiag bptt-trace --seq-len 200

test: $(DEVELOP) ## run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

exhaustive: $(DEVELOP) ## run the tests that repeat a thing at one more size, which `test` leaves out
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup -m exhaustive

lint: $(DEVELOP) ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEVELOP) ## rewrite the files as `make lint` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEVELOP) ## mypy, strict
	$(BIN)/mypy

docs: $(DOCUMENT) ## build the documentation, any warning an error
	$(BIN)/python -m sphinx -W --keep-going -n --quiet -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

readme: $(DEVELOP) ## put the real outputs into README and docs
	$(BIN)/python tests/example_blocks.py
	$(BIN)/rnndiag bptt-trace fixtures/char_rnn.pt --seq-len 200 --plot docs/pictures/trace.png -o /dev/null

bench: $(DEVELOP) ## measure the speed ratios
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/gate.py
	$(BIN)/python benchmarks/capture.py

verdicts: $(DEVELOP) ## train networks, and hold check's verdicts against them
	$(BIN)/python benchmarks/verdicts.py

fuzz: $(DEVELOP) ## read 100,000 mutated checkpoints
	$(BIN)/python benchmarks/fuzz.py

clean: ## remove the environment and the caches
	rm -rf $(VENV) build dist docs/generated *.egg-info .mypy_cache .pytest_cache .ruff_cache

# The stamps keep a second call from installing again; a change of the metadata or pins renews them.
$(CREATED):
	$(PYTHON) -c 'import sys; sys.exit("rnndiag needs Python 3.11 or later: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

# Both installations are editable, so neither replaces the other's.
$(RUNTIME): $(CREATED) pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	touch $@

$(DEVELOP): $(CREATED) pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[test]'
	touch $(RUNTIME) $@

$(DOCUMENT): $(CREATED) pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[docs]'
	touch $(RUNTIME) $@
