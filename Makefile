# The course's commands; `make help` explains them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup vendor book serve test test-fast test-portable chapter lab hub full verified clean

# The first Python 3.11 on the PATH; name another with PYTHON=...
PYTHON ?= $(shell for p in python3.11 python3 python; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { command -v $$p; exit; }; done; echo python3)
ENGINE = $(if $(GPU)$(GPUS),gpu,cpu)
RUNNING = .venv/bin/python
# The notebooks run one at a time, so that the seconds on the status page are those of an idle machine.
JOBS ?= 1

help: ## show this list
	@echo "make <target>, with Python 3.11, git and make on the machine:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /#/' | awk -F'#' '{printf "  %-14s %s\n", $$1, $$2}'
	@echo "GPU=1 installs TensorFlow for NVIDIA GPUs; PYTHON=... names another Python 3.11."

setup:
	@command -v $(firstword $(PYTHON)) >/dev/null 2>&1 || { echo "dlbook: there is no $(PYTHON) on this machine; install Python 3.11, or name it: make PYTHON=/path/to/python3.11 book" >&2; exit 1; }
	@$(PYTHON) bootstrap.py $(ENGINE) book test $(EXTRA)

vendor: setup
	@$(RUNNING) -m dlbook.publish vendor

book: vendor ## build the site into _build/html from the executed notebooks
	@$(RUNNING) -m dlbook.publish site
	@echo "The site is in _build/html. Open _build/html/index.html in a browser, or serve it: make serve"

serve: ## serve the built site on this machine and print its address (PORT=8000 names a port)
	@test -x .venv/bin/python || { echo "dlbook: there is no site yet; build it: make book" >&2; exit 1; }
	@$(RUNNING) -m dlbook.publish serve $(if $(PORT),--port $(PORT))

# The tests start a hub and open its notebooks.
test test-fast: EXTRA = lab hub

test: book ## run every test: code, parity, every cell of every notebook, the site in a browser
	@$(RUNNING) -m pytest tests -n 2 --dist loadfile
	@$(RUNNING) -m pytest --nbval book -n $(JOBS) --dist loadfile

test-fast: vendor ## run the tests without the notebooks, the browser and the largest networks (under two minutes)
	@$(RUNNING) -m pytest tests -n 2 --dist loadfile -m "not browser and not notebook and not large"

test-portable: vendor ## run the notebooks as on another machine: one thread, another instruction set
	@DLBOOK_PORTABLE=1 DLBOOK_THREADS=1 OMP_NUM_THREADS=1 ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
	  MKL_ENABLE_INSTRUCTIONS=SSE4_2 TF_ENABLE_ONEDNN_OPTS=0 $(RUNNING) -m pytest --nbval book -n $(JOBS) --dist loadfile

chapter: setup ## execute a chapter and say what changed: make chapter NAME=digits (no NAME: all that are stale)
	@$(RUNNING) -m dlbook.publish chapter $(NAME)

lab: ## open the notebooks in JupyterLab (LAB=--no-browser passes options on)
	@$(MAKE) --no-print-directory setup EXTRA=lab
	@mkdir -p .venv/share/jupyter/lab/settings .venv/etc/jupyter
	@cp hub/overrides.json .venv/share/jupyter/lab/settings && cp hub/jupyter_server_config.json .venv/etc/jupyter
	@$(RUNNING) -m jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/book $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB)

# What follows the equals signs goes to hub/start.py in the environment, as it was typed, whatever characters it has; nothing is set
# where nothing is said.
define told
ifdef $(1)
hub: export $(2) := $$(value $(1))
endif
endef
$(foreach pair,STUDENTS:DLBOOK_HUB_STUDENTS PORT:DLBOOK_HUB_PORT GPUS:DLBOOK_HUB_GPUS DATA:DLBOOK_MIRROR PASSWORD:DLBOOK_HUB_PASSWORD URL:DLBOOK_HUB_URL,\
  $(eval $(call told,$(word 1,$(subst :, ,$(pair))),$(word 2,$(subst :, ,$(pair))))))

hub: ## start the class's hub on this machine (STUDENTS=8 PORT=8000 URL=https://... PASSWORD=... DATA=folder GPUS=0,1)
	@$(MAKE) --no-print-directory vendor EXTRA="lab hub"
	@exec $(RUNNING) hub/start.py

full: setup ## train on the real data and record it: make full RUN=cnn/digits (TASK=... FRAMEWORK=torch SEED=0 for one)
	@test -n "$(RUN)" || { echo "dlbook: say which run, for example: make full RUN=cnn/digits" >&2; exit 2; }
	@$(RUNNING) -m dlbook.runs $(RUN) $(if $(TASK),--task $(TASK)) $(if $(FRAMEWORK),--framework $(FRAMEWORK)) $(if $(SEED),--seed $(SEED))

verified: setup ## keep the last verification of every notebook for the status page (book/verified.json)
	@$(RUNNING) -m dlbook.publish verified

clean: ## remove what was built; .venv stays
	@rm -rf _build
