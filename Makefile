# Every target sets up what it needs first; on a machine that is ready this takes a fraction of a second.
#
#   make demo     dream and act with the shipped checkpoint; films and a table in outputs/demo
#   make test     the test suite
#   make lint     style (ruff) and types (pyright)
#   make setup    only the set-up: system packages, .venv, everything that uv.lock names
#   make wheel    a wheel in dist/

PYTHON ?= python3.12
# torch.compile builds its kernels with g++ when a model is trained; everything else comes with the wheels.
SYSTEM_PACKAGES ?= g++
# Tests of the play page and of Browser-v0 drive a browser. Where none can be installed so (Ubuntu's is a snap), they are skipped.
# The tests of worldmodel record and of Desktop-v0 start a screen of their own; the libraries are those that mss looks for.
SCREEN_PACKAGES ?= xvfb libxcb-randr0 libxcb-render0 libxcb-shm0 libxcb-xfixes0 bubblewrap jwm xterm l3afpad pcmanfm tesseract-ocr
BROWSER_PACKAGE := $(shell . /etc/os-release 2>/dev/null; test "$$ID" = debian && echo chromium-headless-shell)
BIN := .venv/bin
SYNCED := .venv/.synced

.PHONY: demo test lint setup wheel system
.DEFAULT_GOAL := setup

demo: setup
	$(BIN)/worldmodel demo --output outputs/demo

test: SYSTEM_PACKAGES += $(BROWSER_PACKAGE) $(SCREEN_PACKAGES)
test: setup
	$(BIN)/pytest --numprocesses auto --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

wheel: setup
	$(BIN)/uv build --wheel --quiet

setup: system $(SYNCED)

# Names what is missing, installs it where that is allowed, and says what to type where it is not.
system:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found: install Python 3.12 or say make PYTHON=..." >&2; exit 1; }
	@command -v dpkg-query >/dev/null || { echo "make: no dpkg here: $(SYSTEM_PACKAGES) must already be installed" >&2; exit 0; }; \
	wanted="$(SYSTEM_PACKAGES)"; missing=""; \
	test -x $(BIN)/python || $(PYTHON) -c 'import ensurepip' 2>/dev/null || wanted="$$wanted $(notdir $(PYTHON))-venv"; \
	include=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))'); \
	test -f "$$include/Python.h" || wanted="$$wanted $(notdir $(PYTHON))-dev"; \
	for package in $$wanted; do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root=sudo; else \
	  echo "make: missing system packages; as root: apt-get install$$missing" >&2; exit 1; fi; \
	echo "installing system packages:$$missing"; \
	$$as_root apt-get update -qq && \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null

# Touched at the end, so that an interrupted set-up is repeated.
$(SYNCED): pyproject.toml uv.lock .python-version $(wildcard shims/*/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv sync --frozen
	@touch $@
