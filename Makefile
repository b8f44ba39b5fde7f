# Every command a person or a CI server types. Each target does its own set-up; `make help` lists them.
# Options are given as NAME=value: make demo ORDERS=500, make logs SERVICE=orders, make down PURGE=1.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python that is new enough; PYTHON=/path/to/python chooses another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)

VENV := .venv
RUN := $(VENV)/bin/python
LOCAL := $(VENV)/.local-installed
DEVELOPMENT := $(VENV)/.development-installed
PYTEST := $(RUN) -m pytest $(ARGS)
# Workers with a Kafka and a PostgreSQL each; they take whole files, since what is set up is set up for a file.
WORKERS := 2

# pip checks every file against the hashes in requirements/*.txt; which index it asks is the machine's own setting.
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

define prepare
@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install one or give PYTHON=/path/to/python"; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) lacks the venv module; install it (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
@test -x $(RUN) && $(RUN) -c 'import pip' 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
@echo "installing $(1) (first time: a minute or two)"
@$(INSTALL) -r $(1) || { echo "error: installing Python packages failed; check the network (own index: pip config set global.index-url ...) and run the same command again"; exit 1; }
endef

$(LOCAL): requirements/local.txt
	$(call prepare,requirements/local.txt)
	@touch $@

$(DEVELOPMENT): requirements/development.txt
	$(call prepare,requirements/development.txt)
	@touch $(LOCAL) $@

##@ Watch it work

.PHONY: demo
demo: $(LOCAL) ## Real orders through everything, with a verdict (ORDERS= SEED= DATA=<folder> KEEP=1)
	@$(RUN) -m deploy.demo $(if $(DATA),--data "$(DATA)") $(if $(KEEP),--keep) $(if $(ORDERS),--orders $(ORDERS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

##@ On this machine

.PHONY: setup up down status logs topics migrate dead-letters
setup: $(DEVELOPMENT) ## Install everything that any other target needs
up: $(LOCAL) ## Start Kafka, PostgreSQL and the five services, and leave them running
	@$(RUN) -m deploy.local up $(ARGS)
down: $(LOCAL) ## Stop what `up` started (PURGE=1 deletes the data as well)
	@$(RUN) -m deploy.local down $(if $(PURGE),--purge) $(ARGS)
status: $(LOCAL) ## Every process, its port, health, messages to read and to send
	@$(RUN) -m deploy.local status $(ARGS)
logs: $(LOCAL) ## The last lines of the logs (SERVICE=orders, FOLLOW=1)
	@$(RUN) -m deploy.local logs $(SERVICE) $(if $(FOLLOW),--follow) $(ARGS)
topics: $(LOCAL) ## Create the topics of deploy/topics.yaml and apply changed settings
	@$(RUN) -m deploy.local topics $(ARGS)
migrate: $(LOCAL) ## Bring every service's database to the newest schema
	@$(RUN) -m deploy.local migrate $(ARGS)
dead-letters: $(LOCAL) ## Parked messages of all services (SERVICE=orders ARGS="show 7")
	@for service in $(or $(SERVICE),orders inventory fulfillment returns notifications); do \
		echo "$$service:"; $(RUN) -m deploy.local service $$service dead-letters $(or $(ARGS),list) || exit 1; done

##@ Prove it

.PHONY: simulate test test-unit test-contracts test-simulation test-component test-system test-migrations test-architecture test-local test-fuzz
simulate: $(DEVELOPMENT) ## Random histories of all services in memory, then planted faults (SEEDS=100000, or SEED=7 step by step)
	@PYTHONHASHSEED=0 $(RUN) -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(ARGS)
test: $(DEVELOPMENT) ## All tiers (WORKERS=1 ARGS="-k name")
	@$(PYTEST) $(if $(filter-out 1,$(WORKERS)),-n $(WORKERS) --dist loadfile --no-loadscope-reorder) tests
test-unit: $(DEVELOPMENT) ## Domain and saga, without any server
	@$(PYTEST) tests/unit
test-contracts: $(DEVELOPMENT) ## Every message: golden bytes, readers, generated documents
	@$(PYTEST) tests/contracts
test-simulation: $(DEVELOPMENT) ## Thousands of simulated histories, every planted fault
	@$(PYTEST) tests/simulation
test-component: $(DEVELOPMENT) ## Each service alone on real Kafka and PostgreSQL
	@$(PYTEST) tests/component
test-system: $(DEVELOPMENT) ## All five services, scenarios from end to end
	@$(PYTEST) tests/system
test-migrations: $(DEVELOPMENT) ## Schemas from empty
	@$(PYTEST) tests/migrations
test-architecture: $(DEVELOPMENT) ## Who may import whom, settings, topics
	@$(PYTEST) tests/architecture
test-local: $(DEVELOPMENT) ## The platform on one machine: kill, restart, taken ports, isolation
	@$(PYTEST) tests/local
test-fuzz: $(DEVELOPMENT) ## Hostile input by every road in, the short form
	@$(PYTEST) tests/fuzz

.PHONY: bench bench-docs bench-growth
bench: $(DEVELOPMENT) ## Throughput and latency against a baseline: 40 minutes, 6 with SHORT=1 (SCENARIOS=a,b)
	@$(RUN) -m tests.bench $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(SHORT),--short) $(ARGS)

.PHONY: fuzz
fuzz: $(DEVELOPMENT) ## 100,000 bad inputs by every road in, then what none of them may have done (INPUTS= SEED=)
	@$(RUN) -m tests.fuzz $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: chaos
chaos: $(DEVELOPMENT) ## Orders flow while everything fails, then the books: an hour, 3 minutes with SHORT=1 (FAULTS=a,b SEED=)
	@$(RUN) -m tests.chaos $(if $(SHORT),--short) $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench-docs: $(DEVELOPMENT) ## Put the figures and plots of the last benchmark into docs/performance.md
	@$(RUN) -m tests.bench.document $(ARGS)
bench-growth: $(DEVELOPMENT) ## What an order costs as lines, places, SKUs, open orders and history grow (ARGS=--help)
	@$(RUN) -m tests.bench.growth $(ARGS)

##@ Work on it

.PHONY: lint format types docs lock clean
lint: $(DEVELOPMENT) ## Style, likely bugs, import rules
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check --quiet . || { echo "error: not formatted; run make format"; exit 1; }
	@$(VENV)/bin/lint-imports
format: $(DEVELOPMENT) ## Put code into the one form
	@$(RUN) -m ruff check --fix --quiet . || true
	@$(RUN) -m ruff format .
types: $(DEVELOPMENT) ## mypy --strict
	@$(RUN) -m mypy
docs: $(DEVELOPMENT) ## Write docs/contracts from the code
	@$(RUN) -m deploy.docs $(ARGS)
lock: $(DEVELOPMENT) ## Newest versions into requirements/*.txt (wishes stand in *.in)
	@for name in development local runtime java; do \
		test $$name = java -o $$name = development || consistent="--constraint requirements/development.txt"; \
		$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-annotate --no-header $$consistent requirements/$$name.in -o requirements/$$name.txt || exit 1; consistent=; done
clean: ## Delete what was built; running servers and data of `make up` stay
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

##@ Help

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
