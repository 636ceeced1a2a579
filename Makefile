# Darkroom. `make help` lists what there is to do.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DATA ?= var
WORKERS ?= 2
MINUTES ?= 5
KILLS ?= 100

.DEFAULT_GOAL := help
.PHONY: help up demo test fuzz consistency chaos-lanes check docs bench bench-peers bench-photos bench-fingerprints bench-jobs bench-ready bench-stores bench-walls bench-origin bench-lanes bench-lane-lag servers servers-install clean

help:  ## this list
	@grep -hE '^[a-z%][a-zA-Z%-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo
	@echo "  PHOTOS=FOLDER make demo   uploads the photos of that folder; ONCE=1 make demo ends after the report"
	@echo "  DATA=FOLDER make up       keeps everything under that folder instead of var/"
	@echo "  PORT=N make up            uses the ports from N on, instead of 8600; 0 for any free ones"
	@echo
	@echo "  The command itself is $(BIN)/darkroom; see $(BIN)/darkroom --help"

up: $(VENV)/service $(if $(SERVERS),$(VENV)/stores)  ## start three regions and four edges on this machine, and print the page's address
	@$(BIN)/darkroom --data "$(DATA)" up $(if $(PORT),--port "$(PORT)") $(if $(SERVERS),--servers)

demo: $(VENV)/service  ## the same, with two people, photos and a report of where every byte lies
	@$(BIN)/darkroom --data "$(DATA)" demo $(if $(PORT),--port "$(PORT)") $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(ONCE),--once)

test: $(VENV)/test  ## all tests; those of the real servers where `make servers-install` has put them
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && TMPDIR=$$scratch $(BIN)/python -m deploy.servers run -- $(BIN)/pytest -n $(WORKERS) --dist loadgroup -q

fuzz: $(VENV)/test  ## hostile pictures for MINUTES=5, each made by a seed; crashing ones stay in var/fuzz/
	@mkdir -p "$(DATA)"
	@DARKROOM_FUZZ_MINUTES=$(MINUTES) DARKROOM_FUZZ_SEED=$(SEED) DARKROOM_FUZZ_FIRST=$(FIRST) \
		$(BIN)/pytest -q -s -p no:cacheprovider --basetemp "$(DATA)/fuzz" tests/unit/processing/imaging/test_fuzz.py

consistency: $(VENV)/test  ## clients in three regions for MINUTES=5, while processes are killed: do they see what is promised?
	@DARKROOM_CONSISTENCY_S=$$(( $(MINUTES) * 60 )) DARKROOM_CONSISTENCY_SEED=$(SEED) \
		$(BIN)/pytest -q -s -p no:cacheprovider tests/fault/test_consistency.py

chaos-lanes: $(VENV)/test  ## KILLS=100 kill -9 of what carries photos between regions, while the lines between these fail: is anything lost?
	@DARKROOM_CHAOS_KILLS=$(KILLS) DARKROOM_CHAOS_SEED=$(SEED) \
		$(BIN)/pytest -q -s -p no:cacheprovider tests/fault/test_lanes_killed_at_random.py

servers: servers-install  ## Cassandra, Kafka, Redis, Consul and S3 on loopback, until Ctrl-C (SERVERS=1 make up uses them)
	@$(BIN)/python -m deploy.servers up

servers-install: $(VENV)/stores  ## fetch and build them into .servers/ (once; Java, Maven and Go are needed)
	@$(BIN)/python -m deploy.servers install

check: $(VENV)/test  ## style, who imports whom, and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

docs: $(VENV)/bin/python  ## draw the pictures of docs/ that come from code
	@$(BIN)/python -m docs.draw_topics

RCLONE := bench/peers/bin/rclone

$(RCLONE): bench/rclone/go.mod bench/rclone/main.go
	@command -v go >/dev/null || { echo "Go is not here: install it (Debian: apt-get install golang)"; exit 1; }
	@echo "Building rclone in bench/peers (once, a few minutes) …"
	@mkdir -p bench/peers/rclone && cp $^ bench/peers/rclone/
	@cd bench/peers/rclone && GOFLAGS=-mod=mod go build -o ../bin/rclone .

bench-peers:  ## the peers: rclone, thumbor, and sharp from npm's lock file (once)
	@-$(MAKE) --no-print-directory $(RCLONE)
	@test -x bench/peers/thumbor/bin/thumbor || ($(PYTHON) -m venv bench/peers/thumbor && \
		bench/peers/thumbor/bin/pip install --quiet --disable-pip-version-check thumbor==7.8.0)
	@command -v npm >/dev/null || { echo "npm is not here: install node and npm (Debian: apt-get install nodejs npm)"; exit 1; }
	@mkdir -p bench/peers && cp bench/package.json bench/package-lock.json bench/peers/
	@test -d bench/peers/node_modules/sharp || (cd bench/peers && npm ci --silent --no-audit --no-fund)

bench: $(VENV)/bench  ## every performance figure, each beside a peer in the same run; fails if a goal is missed or a peer missing
	@-$(MAKE) --no-print-directory bench-peers
	@$(BIN)/python -m bench

bench-photos: $(VENV)/bench  ## the photo job: its imaging beside sharp, Pillow and thumbor, and the whole of it
	@-$(MAKE) --no-print-directory bench-peers
	@$(BIN)/python -m bench photos

bench-fingerprints: $(VENV)/bench  ## how well photos are recognised again, beside PDQ
	@$(BIN)/python -m bench fingerprints

bench-jobs: $(VENV)/bench  ## what Dask costs a photo, in the processor and at the scheduler
	@$(BIN)/python -m bench jobs

bench-ready: $(VENV)/bench  ## how long after `complete` a photo is ready, at 80 % of what the region can do
	@$(BIN)/python -m bench ready

bench-stores: $(VENV)/bench  ## the production stores beside their drivers; needs `make servers-install` and redis-tools
	@$(BIN)/python -m bench stores

bench-walls: $(VENV)/bench  ## what would cap a region: deletions, policy look-ups, uploads, events; needs `make servers-install`
	@$(BIN)/python -m bench walls

bench-origin: $(VENV)/bench  ## what serves origins beside gunicorn's threads: quiet, and while clients send slowly
	@$(BIN)/python -m bench origin

bench-lanes: $(VENV)/bench  ## a lane between two S3 servers beside `rclone copy`, on loopback and through 80 ms
	@-$(MAKE) --no-print-directory $(RCLONE)
	@$(BIN)/python -m bench lanes

bench-lane-lag: $(VENV)/bench  ## how far lanes and edges are behind while a region works at half of what it can do
	@$(BIN)/python -m bench lane_lag

clean:  ## remove what `make` made: the environment and the data
	rm -rf $(VENV) "$(DATA)" build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# One environment. Each mark says that an extra of setup.cfg is installed in it.
$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Darkroom needs Python 3.11: install it, or say where it is with make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the environment in $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV)

INCLUDES_test := service stores
INCLUDES_bench := service stores

$(addprefix $(VENV)/,service stores test bench): $(VENV)/%: setup.cfg pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@ $(addprefix $(VENV)/,$(INCLUDES_$*))
