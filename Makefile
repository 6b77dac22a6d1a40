# make tune   installs into .venv and runs the main job on real data
# make test   installs into .venv and runs the tests
# make bench  prints what the claims rest on: tables of models and properties, times, precision
# make known-answers  asks every study of studies/known_answers on two seeds: is the right answer given?
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
BIN := .venv/bin

.PHONY: tune test bench known-answers lint clean

tune: .venv/installed
	$(BIN)/advisor tune studies/digits.py

test: .venv/installed
	$(BIN)/python -m pytest -n 2

bench: .venv/installed
	$(BIN)/python benchmarks/diagnosis.py
	$(BIN)/python benchmarks/swap_overhead.py
	$(BIN)/python benchmarks/zoo_techniques.py
	$(BIN)/python benchmarks/zoo_table.py

known-answers: .venv/installed
	$(BIN)/python benchmarks/known_answers.py --seed 0 1

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[embedding,dev]'
	touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache studies/advisor.db* studies/advisor.checkpoints
