# `make local` and `make test` set up all they need in .venv; Python 3.11 or later and make suffice.

PYTHON ?= python3
CONFIG ?= pipeline.yaml
ARGS ?=

BIN := .venv/bin

# $(call install,ARGUMENTS OF PIP): says every ten packages how far it is, instead of nothing.
install = rm -f .venv/failed; { $(BIN)/python -m pip install --disable-pip-version-check \
	--progress-bar off $(1) || touch .venv/failed; } | awk ' \
	/^Collecting/ && ++n % 10 == 1 { print "  package " n ": " $$2; fflush() } \
	/^Installing/ && n { print "  installing " n " packages"; fflush() }' >&2; test ! -e .venv/failed || { \
	echo 'hint: pip must reach a package index; HTTPS_PROXY or PIP_INDEX_URL say where' >&2; exit 2; }

.PHONY: local notebook test lint check regenerate lock clean

local: .venv/ready
	$(BIN)/python pipeline/upsert_and_start.py --local --config '$(subst ','\'',$(CONFIG))' $(ARGS)

notebook: .venv/ready-dev
	$(BIN)/python -m nbconvert --execute --to html --template classic $(ARGS) notebooks/local_fit.ipynb

test: .venv/ready-dev
	$(BIN)/python -m pytest --numprocesses auto $(ARGS)

check: lint test

lint: .venv/ready-dev .venv-checkov/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/company.py > .venv/everything.yml
	$(BIN)/cfn-lint build/infrastructure.yml .venv/everything.yml
	.venv-checkov/bin/checkov --file build/infrastructure.yml .venv/everything.yml \
		--framework cloudformation --skip-download --compact --quiet

# Writes all that is generated: definition, graph, tables, samples of output. Review the diff.
regenerate: .venv/ready-dev
	REGENERATE=1 $(BIN)/python -m pytest -q -m generated $(ARGS)

# Needs uv. The locks hold for every Python from 3.11 on, and for Linux, macOS and Windows. That of
# the image for GPUs has the versions of the other one, with XGBoost's CUDA build.
lock:
	uv pip compile $(LOCK_OPTIONS) pyproject.toml -o requirements.lock
	uv pip compile $(LOCK_OPTIONS) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile $(LOCK_OPTIONS) --no-annotate container/requirements.txt -c requirements.lock \
		-o container/requirements.lock
	sed -n 's/^xgboost-cpu==/xgboost==/; s/^\([a-z0-9-]*==[^\\]*\).*/\1/p' container/requirements.lock \
		| uv pip compile $(LOCK_OPTIONS) --no-annotate - -o container/requirements-cuda.lock
	echo checkov | uv pip compile $(LOCK_OPTIONS) - -o build/checkov.lock
	echo sagemaker-mlops | uv pip compile $(LOCK_OPTIONS) --no-annotate - -o tests/sdk-v3.lock

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-header --no-emit-index-url --no-emit-package sagemaker-local-aws

clean:
	rm -rf .venv .venv-checkov .venv-v3 .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info \
		local_aws/build local_aws/*.egg-info

# A .venv that was moved or copied with its folder has the paths of the former folder.
MADE_IN := $(or $(shell cat .venv/ready 2>/dev/null),$(CURDIR))
ifneq "$(MADE_IN)" "$(CURDIR)"
MOVED := --clear
.PHONY: .venv/ready
endif

.venv/ready: requirements.lock pyproject.toml local_aws/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'error: $(PYTHON) is not Python 3.11 or later' >&2; \
		echo 'hint: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 2; }
	@echo 'setting up .venv (once, a minute or two)' >&2
	@$(PYTHON) -m venv $(MOVED) .venv
	@$(call install,--require-hashes -r requirements.lock)
	@$(call install,--no-deps --no-build-isolation -e ./local_aws -e .)
	@pwd -P > $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	@echo 'adding the tools for tests to .venv (once)' >&2
	@$(call install,--require-hashes -r requirements-dev.lock)
	@touch $@

# In an environment of its own: it pins what the project needs newer.
.venv-checkov/ready: build/checkov.lock
	@echo 'setting up .venv-checkov (once)' >&2
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r build/checkov.lock
	@touch $@

# For tests/test_sdk_v3.py: SDK v2 and v3 cannot share an environment.
.venv-v3/ready: tests/sdk-v3.lock
	$(PYTHON) -m venv .venv-v3
	.venv-v3/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r tests/sdk-v3.lock
	@touch $@
