# make results   the whole workflow on the embedded benchmark, then the main table
# make test      linters, type checks, tests of every part and one small run of the workflow
# make test-slurm   the workflow on a small SLURM cluster that is started on this machine (installs SLURM, on Debian)
# make test-all   all tests: also runs that are changed, killed, interrupted and damaged, origins of every kind, and SLURM
# make check-clip   the whole workflow on a full-size encoder of random weights, and dry runs of the presets
# make archive    tables, figures, scores and provenance in one zip, to hand on
# make bench     speed and memory at full size, added to benchmarks/results.csv, and their figures in docs/
# make pretrained   mini's pre-trained CLIP anew: minutes of training, after an edit of what it is trained on or by
# make lock      resolve the dependencies anew, and the conda environments with them

BIN := .venv/bin
PYTHON ?= python3
UV_VERSION := 0.13.8

# A worker for every core. Tests of one file share what they make, and the longest files begin.
WORKERS := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: results pretrained test test-slurm test-all slurm lint lint-types lint-workflow check-clip archive bench lock docs clean

# What will fail is told first, and does not keep the run from trying.
results: .venv/installed
	@$(BIN)/python -m remerge doctor --short || true
	$(BIN)/snakemake --cores all --report results/technical-report.html --report-after-run
	@$(BIN)/python -m remerge results

test: lint
	$(BIN)/python -m pytest $(WORKERS) -m "not whole"

test-slurm: slurm .venv/installed-dev
	$(BIN)/python -m pytest tests/slurm

test-all: lint slurm
	$(BIN)/python -m pytest $(WORKERS)

# Debian's and Ubuntu's names; elsewhere, or without leave to install, the tests say that they are skipped.
slurm:
	@command -v slurmctld /usr/sbin/slurmctld >/dev/null || \
	    apt-get install --yes --quiet slurmctld slurmd slurm-client munge || \
	    echo "SLURM cannot be installed here: its tests are skipped"

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs 2 lint-types lint-workflow

# mypy takes as long as all else.
lint-types:
	$(BIN)/mypy

lint-workflow:
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

check-clip: .venv/installed
	PYTHONPATH=. $(BIN)/python benchmarks/small_folders.py results/check-clip
	$(BIN)/snakemake --cores all --configfile config/check-clip.yaml
	@for preset in b-32 b-16 l-14 b-32-14 l-14-20; do \
	    $(BIN)/snakemake --dry-run --quiet --configfile config/clip-vit-$$preset.yaml || exit 1; done
	@$(BIN)/python -m remerge results

archive: .venv/installed
	$(BIN)/python -m remerge archive results/remerge-results.zip

# The record beside the file says what it was made by.
pretrained: .venv/installed
	$(BIN)/snakemake --cores all -- results/pretrained/mini.safetensors
	mkdir -p pretrained
	cp results/pretrained/mini.safetensors results/provenance/pretrained/mini.safetensors.json pretrained/

bench: .venv/installed
	PYTHONPATH=. $(BIN)/python benchmarks/bench.py
	PYTHONPATH=. $(BIN)/python benchmarks/growth_figure.py

# Stamped only when everything is in place, so that a broken installation is taken up again.
.venv/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "remerge needs Python 3.11 or newer: make PYTHON=python3.11 results")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes --requirement requirements.lock
	@# Compiles what jobs import. Compiling everything takes twice as long.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c 'import matplotlib.figure, open_clip, pandas, scipy.ndimage, snakemake.cli, torchvision'
	touch $@

# What only tests need lies apart: open_clip imports transformers where it finds it, a second in every job.
.venv/installed-dev: .venv/installed requirements-dev.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode --requirement requirements-dev.lock
	touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command 'make lock' --extra workflow pyproject.toml

lock: .venv/installed
	$(COMPILE) --upgrade --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	$(BIN)/python envs/from_lock.py

docs: .venv/installed
	$(BIN)/python -m remerge.config

clean:
	rm -rf results logs benchmarks/jobs .snakemake
