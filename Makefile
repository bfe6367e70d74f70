# Each target works on a fresh clone, with Python 3.11 or newer and nothing else.
# Without make: python3 make.py demo
PYTHON ?= python3

.PHONY: demo test check fix contract bench dist interop pictures environment
demo test check fix contract bench dist interop pictures environment:
	@$(PYTHON) make.py $@ $(if $(filter contract,$@),$(BASE))
