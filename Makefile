# `make app`, `make test`, `make style` and `make notebooks` set everything up in .venv and then run; the second time they only run.
# Needs Python 3.11 or later with pip. Another one: `make app PYTHON=python3.12`. More words: `make app ARGS="--help"`.

PYTHON ?= python3
ARGS ?=

# torch goes in first and exactly, so that no other package picks its newest build with gigabytes of CUDA libraries.
# Where the CPU builds are is pip's own setting (README, "Install"); to pin another: `make app TORCH=torch==2.10.0`.
TORCH ?= $(shell $(PYTHON) -c 'import sys; print("torch==2.13.0" if sys.version_info < (3, 12) else "torch>=2.10,<2.12")')

PIP := .venv/bin/python -m pip
CHECK := 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"emo_toolkit needs Python 3.11 or later, and this is {v[0]}.{v[1]}. Name another: make app PYTHON=python3.12")'

# Runs the words after it while holding .venv.lock, which ends with the process: two `make` at once build one .venv.
LOCK := 'import fcntl, os, sys; f = os.open(".venv.lock", os.O_CREAT | os.O_RDWR); os.set_inheritable(f, True); fcntl.flock(f, fcntl.LOCK_EX); os.execvp(sys.argv[1], sys.argv[1:])'
LOCKED = @$(PYTHON) -c $(CHECK) && $(PYTHON) -c $(LOCK)

.PHONY: app test style notebooks clean

app:
	$(LOCKED) $(MAKE) --no-print-directory .venv/app.done
	.venv/bin/python app.py $(ARGS)

test:
	$(LOCKED) $(MAKE) --no-print-directory .venv/dev.done
	.venv/bin/python -m pytest $(ARGS)

style:
	$(LOCKED) $(MAKE) --no-print-directory .venv/dev.done
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check

notebooks:
	$(LOCKED) $(MAKE) --no-print-directory .venv/jupyter.done
	.venv/bin/python -m jupyter lab notebooks $(ARGS)

clean:
	rm -rf .venv .venv.lock

# A stamp is touched last: without it the environment is built anew, so a broken install mends itself.
.venv/app.done: requirements.txt pyproject.toml
	@test -f $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	$(PIP) install --quiet --upgrade pip
	$(PIP) install '$(TORCH)'
	$(PIP) install -r requirements.txt
	$(PIP) install --quiet --no-deps --editable . --config-settings editable_mode=compat
	@touch $@

.venv/dev.done: requirements-dev.txt .venv/app.done
	$(PIP) install -r requirements-dev.txt
	@touch $@

.venv/jupyter.done: .venv/dev.done
	$(PIP) install --quiet 'jupyterlab>=4.4,<5' 'ipywidgets>=8.1,<9'
	@touch $@
