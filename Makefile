# make demo | test | test-slicer-preview | docs | bench | families | pictures | goldens | clean
# Another Python: make PYTHON=python3.12 demo
#
# Each target makes .venv, installs what it needs at the versions of constraints.txt, and runs. A second call
# installs nothing unless a pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
SAMPLES ?= TrustSeg/Resources/SampleData/head_colin27.nii.gz TrustSeg/Resources/SampleData/hippocampus_223.nii.gz
OUTPUT ?= demo-output
# Options for the benchmark and the study: make bench ARGS=--help, make families ARGS='--jobs 2'
ARGS ?=
# A folder with imagesTr, labelsTr and splits.csv for `make families`
DATA ?=

VENV := .venv
CONSTRAINTS := constraints.txt
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -q -c $(CONSTRAINTS)
TORCH := $(shell sed -n 's/^\(torch==[0-9.]*\)$$/\1/p' constraints.txt)
CREATED := $(VENV)/.created
LIBRARY := $(VENV)/.library-installed
EVERYTHING := $(VENV)/.everything-installed
PREVIEW := build/slicer-preview

.PHONY: help demo test test-slicer test-slicer-preview docs bench families pictures goldens clean
.DELETE_ON_ERROR:

help:
	@sed -n '1,5p' Makefile

demo: $(LIBRARY)
	$(BIN)/trustseg segment $(SAMPLES) -o "$(OUTPUT)"
	@echo
	@echo "Open $(OUTPUT)/head_colin27/report.html: volumes, pictures and how likely each label is wrong."

# ruff first: it takes a second. pytest last: its summary is the last line. Two processes with one thread each: most
# tests wait for a process, a file or an import, so that is faster than one with two.
test: $(EVERYTHING)
	$(BIN)/ruff check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slicer: $(EVERYTHING)
	$(BIN)/python -m pytest Testing/slicer

# The same on Slicer's preview release, in an environment of its own.
test-slicer-preview: $(PREVIEW).txt
	$(MAKE) VENV=$(PREVIEW) CONSTRAINTS=$(PREVIEW).txt test-slicer

# Warnings are errors. The variable silences an advertisement.
docs: $(EVERYTHING)
	NO_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --strict
	@echo "Open build/docs/index.html."

# The second part opens the panel of the Slicer module and clicks on Segment; the third on a large image.
bench: $(EVERYTHING)
	$(BIN)/python Testing/benchmarks/bench.py $(ARGS)
	$(BIN)/python Testing/benchmarks/click.py
	$(BIN)/python Testing/benchmarks/click.py --size 512 512 300
	$(BIN)/python Testing/benchmarks/large_ct.py

# Every family of networks on the hippocampus, with one budget: half a day on two cores. It goes on where it stopped.
families: $(EVERYTHING)
	@test -n "$(DATA)" || { echo "Name the data: make families DATA=FOLDER (Task04_Hippocampus of the Medical" \
	"Segmentation Decathlon)"; exit 2; }
	$(BIN)/trustseg-train study Training/studies/hippocampus-families.yaml --data "$(DATA)" \
	-o runs/hippocampus-families $(ARGS)

# The pictures of the Slicer module in README and docs; a test compares them.
pictures: $(EVERYTHING)
	$(BIN)/python Testing/harness/module_pictures.py

# Help pages and the sample's report as files; a test compares them.
goldens: $(EVERYTHING)
	rm -rf build/goldens
	PYTHONPATH=Testing/harness $(BIN)/python Testing/harness/goldens.py build/goldens

# What a training has written (runs/) is not touched.
clean:
	rm -rf $(VENV) "$(OUTPUT)" build dist *.egg-info Training/*.egg-info .pytest_cache .ruff_cache .hypothesis
	find TrustSegLib TrustSeg Training Testing -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@$(PYTHON) -c 'import sys; (3, 10) <= sys.version_info[:2] <= (3, 12) or sys.exit("Python 3.10 to 3.12 is needed, \
	this is " + sys.version.split()[0] + ": name one with make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# torch by its exact name first: only so does pip take the build that this machine's index offers for it, and
# every later requirement finds it already there.
$(LIBRARY): $(CREATED) pyproject.toml $(CONSTRAINTS)
	$(INSTALL) $(TORCH)
	$(INSTALL) -e .
	@touch $@

$(EVERYTHING): $(LIBRARY) Training/pyproject.toml
	$(INSTALL) -e '.[test]' -e ./Training
	@touch $@

$(PREVIEW).txt: constraints.txt Testing/slicer-preview.txt
	@mkdir -p $(@D)
	grep -v -E '^(slicer-core|vtk)==' constraints.txt | cat - Testing/slicer-preview.txt > $@
