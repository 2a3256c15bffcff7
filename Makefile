# make setup  prepare .venv; a second call finds it done
# make run    the main job:             make run ARGS="--trials 50"
# make test   the tests:                make test ARGS="-k study"
# make test-gp  the tests that need torch (4 GB, kept in TORCH for the next time)
# make fuzz   random trainings by programs and by fit, 300 pairs: make fuzz ARGS="--pairs 50"
# make check  lint, format, types, and who imports whom
# make docs   the site, into build/docs; make docs/lab.ipynb executes its notebook anew
# make audit  look the versions in requirements.lock up among known faults (pip-audit)
# make lock   write requirements.lock anew: the newest of everything that pyproject.toml allows
# make clean  remove whatever these made
#
# run, test, test-gp and check set up first if need be. Another Python: make setup PYTHON=python3.12

PYTHON ?= python3
ARGS ?=
VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
PACKAGES := $(VENV)/.packages
READY := $(VENV)/.ready
TORCH ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tuner/torch
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

# One set-up at a time: who comes second waits for a lock that ends with the first one's shell, and
# then finds the work done.
define ALONE
set -e; exec 9>>requirements.lock; \
$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("tuner needs Python \
3.11 to 3.13 and $(PYTHON) is %s.%s; name another: make PYTHON=python3.12" % sys.version_info[:2]); \
import fcntl; fcntl.flock(3, fcntl.LOCK_EX)' 3>&9; \
if [ -e $@ ] && [ -z "$$(find $^ -newer $@)" ]; then exit 0; fi
endef

.PHONY: setup run test test-gp fuzz check audit lock clean docs docs/cli.md docs/lab.ipynb

setup: $(READY)

# Stamps come last, so a set-up that was cut short is begun again from nothing. Bytecode is compiled
# whatever pip was told: without it every import of TensorFlow takes twice as long.
$(PACKAGES): requirements.lock
	@$(ALONE); \
	if [ -e $@ ]; then rm $@; else $(PYTHON) -m venv --clear $(VENV); fi; \
	echo "Installing requirements.lock into $(VENV), in a minute or two"; \
	$(VENV_PYTHON) $(PIP_INSTALL) --requirement requirements.lock; \
	$(VENV_PYTHON) -m compileall -q -j 0 $(VENV)/lib; \
	touch $@

$(READY): $(PACKAGES) pyproject.toml
	@$(ALONE); \
	$(VENV_PYTHON) $(PIP_INSTALL) --no-deps --no-build-isolation --editable ".[test]"; \
	touch $@

run: setup
	$(VENV_PYTHON) -m tuner run lr_momentum $(ARGS)

test: setup
	$(VENV_PYTHON) -m pytest $(ARGS)

fuzz: setup
	$(VENV_PYTHON) -m tests.programs.fuzz $(ARGS)

# Linux has torch from PyPI with all of CUDA's libraries only: they lie beside the environment, so
# that a new environment finds them there.
test-gp: setup $(TORCH)/.ready
	PYTHONPATH=$(TORCH) OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest -m gp $(ARGS)

$(TORCH)/.ready: | $(PACKAGES)
	@echo "Installing torch into $(TORCH), in a few minutes"
	@rm -rf $(TORCH); $(VENV_PYTHON) $(PIP_INSTALL) --target $(TORCH) --constraint requirements.lock \
	    "torch>=2.6"
	@touch $@

check: setup
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-cache

docs/cli.md: setup
	$(VENV_PYTHON) -m typer tuner.cli.app utils docs --name "python -m tuner" > $@

# A warning is an error, a link between pages that leads nowhere among them.
docs: setup
	$(VENV_PYTHON) -m sphinx -q --fail-on-warning --keep-going docs build/docs

# A few minutes; with an .npz of MNIST that TUNER_MNIST names, else on digits.
docs/lab.ipynb: setup
	@rm -rf build/lab; mkdir -p build/lab; cp $@ build/lab/
	cd build/lab && PATH="$(abspath $(VENV)/bin):$$PATH" jupyter execute --inplace --timeout=600 lab.ipynb
	mv build/lab/lab.ipynb $@

# In an environment of its own: what pip-audit needs is nothing that tuner has.
audit:
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python $(PIP_INSTALL) "pip-audit>=2.9"
	@$(PYTHON) scripts/audit.py $(VENV)-audit/bin/pip-audit requirements.lock

# Resolved on the oldest Python that tuner supports: what supports it supports the newer ones too.
lock:
	@$(PYTHON) -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit("make lock needs Python \
	3.11: make lock PYTHON=python3.11")'
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python $(PIP_INSTALL) ".[test,docs]" setuptools wheel
	$(VENV)-lock/bin/python -m pip freeze --all --exclude pip --exclude tuner > $(VENV)-lock/new
	mv $(VENV)-lock/new requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) $(VENV)-lock $(VENV)-audit build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
