# The two commands of the README. Each sets up what it needs in .venv, once:
#
#   make demo    one lip-sync in the sandbox; writes viseme-demo.mp4
#   make test    all tests
#
# And a longer one, which writes docs/proof.md (seed, parts, numbers and minutes can be set):
#
#   make prove   real crashes at 10,000 points of each vendor's protocol, 40,000 claims by eight
#                processes, 10,000 damaged files of each kind, and what is counted in tests; takes
#                hours
#   make prove PARTS=crashes     about three quarters of an hour of two cores
#   make prove PARTS=claims,mutants,promises
#   make prove SEED=7 POINTS=500 CROWDS=50 SEQUENCES=20 MINUTES=10 CLAIMS=500 MUTANTS=200
#
# And one that writes docs/benchmarks.md, part by part; takes an hour and a half and more, on a
# machine with nothing else to do:
#
#   make bench   speed and memory beside peers
#   make bench FOOTAGE="talk.mp4 other.mp4"
#   make bench PARTS=encode,decode    parts of it; the others stay as they were
#
# PYTHON is the interpreter that .venv is made with (3.10 or later): make demo PYTHON=python3.12
# To change it afterwards, remove .venv first.

PYTHON ?= python3
VENV := .venv
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
	--constraint constraints.txt

# A file of tests stays in one process, for what its tests share; those of the page come last, since
# the browser leaves an event loop behind.
IN_PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

COMMA := ,

.PHONY: demo test prove bench

demo: $(VENV)/.ready-for-demo
	@$(VENV)/bin/viseme demo

test: $(VENV)/.ready-for-test
	@$(VENV)/bin/python -m pytest $(IN_PARALLEL)

prove: $(VENV)/.ready-for-test
	@$(VENV)/bin/python tools/prove.py --write $(if $(SEED),--seed $(SEED)) \
		$(if $(PARTS),--parts $(PARTS)) $(if $(CLAIMS),--claims $(CLAIMS)) \
		$(if $(MUTANTS),--mutants $(MUTANTS)) \
		$(if $(POINTS),--points $(POINTS)) $(if $(CROWDS),--crowds $(CROWDS)) \
		$(if $(SEQUENCES),--sequences $(SEQUENCES)) $(if $(MINUTES),--minutes $(MINUTES))

bench: $(VENV)/.ready-for-bench
	@$(VENV)/bin/python -m benchmarks $(if $(FOOTAGE),--footage $(FOOTAGE)) \
		$(if $(PARTS),--write $(foreach part,$(subst $(COMMA), ,$(PARTS)),--only $(part)))

$(VENV)/.ready-for-demo: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing what Viseme needs in $(VENV) ..."
	@$(PIP_INSTALL) --editable '.[cli]'
	@touch $@

$(VENV)/.ready-for-test: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing what Viseme and its tests need in $(VENV), torch among it ..."
	@$(PIP_INSTALL) --editable '.[cli,test]'
	@touch $(VENV)/.ready-for-demo $@

$(VENV)/.ready-for-bench: $(VENV)/.ready-for-test pyproject.toml constraints.txt
	@echo "Installing what the benchmarks need in $(VENV) ..."
	@$(PIP_INSTALL) --editable '.[cli,test,bench]'
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Viseme needs Python 3.10 or later, this is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV)
	@touch $@
