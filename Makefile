# make run    set up if need be, then run the main job:   make run ARGS="--trials 50"
# make test   set up if need be, then run the tests:      make test ARGS="-k study"
# make check  lint and types
# make lock   write requirements.lock anew from what .venv holds

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

.PHONY: setup run test check lock clean

setup: $(READY)

# The stamp comes last: a set-up that was cut short is begun again. Bytecode is compiled here, as
# without it every import of TensorFlow takes twice as long.
$(READY): requirements.lock pyproject.toml
	@rm -f $@
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --no-build-isolation --editable ".[test]"
	$(BIN)/python -m compileall -q -j 0 .venv/lib > /dev/null || true
	@touch $@

run: setup
	$(BIN)/python -m tuner run lr_momentum $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: setup
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip \
	    | grep -v '@' > requirements.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
