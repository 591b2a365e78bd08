# Berth's commands. The two that matter first: `make run` and `make test`.

PYTHON ?= python3
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
CATALOG := locale/zh_Hans/LC_MESSAGES/django
SOURCES := registry_site accounts repositories api tests benchmarks manage.py

.DEFAULT_GOAL := help
.PHONY: help run test lint format messages bench faults clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## start a registry on 127.0.0.1:5000 (PORT=…), data in ./var
	@exec $(BIN)/python manage.py serve --bind 127.0.0.1:$(PORT) --open

# What is the same on both, PostgreSQL's run leaves out (tests/database.py).
test: $(VENV)/.installed-dev ## the whole test suite, on SQLite and meanwhile on PostgreSQL
	@mkdir -p var
	@echo "PostgreSQL's run is in var/test-postgresql.log until both have ended."
	@BERTH_TEST_DATABASE=postgresql $(BIN)/pytest > var/test-postgresql.log 2>&1 & postgresql=$$!; \
	$(BIN)/pytest; sqlite=$$?; \
	wait $$postgresql; postgresql=$$?; \
	cat var/test-postgresql.log; \
	[ $$sqlite -eq 0 ] && [ $$postgresql -eq 0 ]

lint: $(VENV)/.installed-dev ## style, types, import rules, templates, migrations
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')
	$(BIN)/python manage.py makemigrations --check --dry-run --data $$(mktemp -d)

format: $(VENV)/.installed-dev ## put the code into the style that `lint` asks for
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	-$(BIN)/djade --target-version 5.2 $$(git ls-files 'templates/*.html')

messages: $(VENV)/.installed-dev ## gather the texts of the pages for translation, and compile (needs gettext)
	$(BIN)/python manage.py makemessages --locale zh_Hans --add-location file --no-obsolete \
		--ignore 'tests/*' --ignore 'benchmarks/*' --ignore 'var/*' --data $$(mktemp -d)
	msgfmt --check --output-file $(CATALOG).mo $(CATALOG).po

bench: $(VENV)/.installed-dev ## Berth beside other registries, in about ten minutes
	$(BIN)/python -m benchmarks --short

faults: $(VENV)/.installed-dev ## every fault many times, on both databases, and a table
	@mkdir -p var
	BERTH_FAULTS=long BERTH_FAULTS_JSON=$(CURDIR)/var/faults-sqlite.json $(BIN)/pytest -q tests/faults
	BERTH_FAULTS=long BERTH_FAULTS_JSON=$(CURDIR)/var/faults-postgresql.json \
		BERTH_TEST_DATABASE=postgresql $(BIN)/pytest -q tests/faults
	$(BIN)/python -m tests.faults.beside --json var/faults-beside.json
	$(BIN)/python -m tests.faults.outcome var/faults-sqlite.json var/faults-postgresql.json

clean: ## remove what `make` made; the data in ./var stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.installed
