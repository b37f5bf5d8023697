# Only names for commands; `python -m advisor` does the work on every system. A Python older than 3.11 finds a newer one by itself.
PYTHON ?= python3
ENV := .venv/bin

.PHONY: run install test conformance lint format bench quality calibrate screenshots fuzz lock clean

run:
	$(PYTHON) -m advisor run

install:
	$(PYTHON) -m advisor install

# Also installs what the tests need: their packages, Chromium where apt and root allow, the engine (built once, then cached).
test: install
	$(ENV)/python -m tests.prepare test
	$(ENV)/python -m pytest -n 2 --dist loadfile

# The engine over every architecture of the catalogue, and formula against engine over the whole grid: many minutes.
conformance: install
	$(ENV)/python -m tests.prepare test
	$(ENV)/python -m pytest -n 2 -m "engine_all or conformance"

lint: install
	$(ENV)/python -m tests.prepare lint
	$(ENV)/ruff check .
	$(ENV)/ruff format --check .
	$(ENV)/mypy

format: install
	$(ENV)/python -m tests.prepare lint
	$(ENV)/ruff check --fix-only .
	$(ENV)/ruff format .

bench: install
	$(ENV)/python -m tests.prepare test
	@for file in benchmarks/*.py; do echo "== $$file"; $(ENV)/python $$file || exit 1; done

# The fitted data files of advisor/advice/data, from the published measurements of benchmarks/data.
quality: install
	$(ENV)/python benchmarks/quantization_loss.py --write
	$(ENV)/python benchmarks/model_quality.py --write

# Fits the speed factors on advisor/speed/measurements.csv and writes how far off they are.
calibrate: install
	$(ENV)/python benchmarks/calibrate_speed.py
	$(ENV)/python benchmarks/speed_accuracy.py --write

# Every page in both modes and on a phone, into docs/screenshots; look at them.
screenshots: install
	$(ENV)/python -m tests.prepare test
	$(ENV)/python -m benchmarks.browser.screenshots

# A minute of coverage-guided fuzzing a target.
fuzz: install
	$(ENV)/python -m tests.prepare fuzz
	@for file in tests/fuzz/*.py; do echo "== $$file"; $(ENV)/python $$file -max_total_time=60 || exit 1; done

# Versions and hashes for Linux, macOS and Windows, without any index address. The engine has its own pin: advisor/engine/recipe.py.
lock: install
	$(ENV)/python -m pip install --quiet uv
	$(ENV)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--extra engine --group build --no-emit-package llama-cpp-python pyproject.toml --output-file requirements.lock
	$(ENV)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--constraint requirements.lock --extra test --extra engine --extra mlx --no-emit-package llama-cpp-python pyproject.toml --output-file requirements-test.lock

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
