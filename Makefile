# make tune          installs into .venv and runs the main job on real data
# make test          installs into .venv and runs the tests
# make lint          checks style, format and types
# make test-lowest   runs the tests with the lowest versions that pyproject.toml allows, in .venv-lowest
# make coverage      runs the tests and lists the lines and branches that none of them reaches
# make bench         prints what the claims rest on: tables of models and properties, precision, times of a swap
#                    and of the coordinator, memory
# make proofs        runs the longer tests: whole studies of loops and scripts, killed, resumed and compared
# make docs          builds the site of docs/ into build/docs; a warning is an error
# make known-answers asks every study of studies/known_answers on two seeds: is the right answer given?
# make clean         removes what these made: environments, caches, the database of studies/
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
LOWEST_PYTHON ?= $(shell command -v python3.11 || echo $(PYTHON))
BIN := .venv/bin
LOWEST := .venv-lowest/bin

.PHONY: tune test lint test-lowest coverage bench proofs docs known-answers clean

tune: .venv/installed
	$(BIN)/advisor tune studies/digits.py

test: .venv/installed
	$(BIN)/python -m pytest -n 2

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-lowest: .venv-lowest/installed
	$(LOWEST)/python -m pytest -n 2

coverage: .venv/installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: .venv/installed
	$(BIN)/python benchmarks/diagnosis.py
	$(BIN)/python benchmarks/swap_overhead.py
	$(BIN)/python benchmarks/zoo_techniques.py
	$(BIN)/python benchmarks/zoo_table.py
	$(BIN)/python benchmarks/coordinator.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/tiny_trials.py

proofs: .venv/installed
	$(BIN)/python -m pytest -m proof

docs: .venv/docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs build/docs

known-answers: .venv/installed
	$(BIN)/python benchmarks/known_answers.py --seed 0 1

# advisor/__init__.py holds the version, which pip records at installation
.venv/installed: pyproject.toml constraints.txt advisor/__init__.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[embedding,dev]'
	touch $@

.venv/docs: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

.venv-lowest/installed: pyproject.toml .ci/lowest.txt advisor/__init__.py
	$(LOWEST_PYTHON) .ci/lowest --check
	$(LOWEST_PYTHON) -m venv .venv-lowest
	$(LOWEST)/pip install --quiet -r .ci/lowest.txt -e .
	touch $@

clean:
	rm -rf .venv .venv-lowest build *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* studies/advisor.db* studies/advisor.checkpoints
