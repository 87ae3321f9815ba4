# make demo   sets everything up and reconstructs a crystal: in napari where there is a screen, into demo/ where there is none
# make test   sets everything up and passes the tests
# make explore MINUTES=10   draws new examples of the property tests for so long, and prints those that fail
# make tours  takes the tour of the window with every napari and Qt that are supported, each in an environment of its own: before a release
# make check  style, types and the direction of imports
# make docs   builds the documentation into docs/_build/html: the notebooks in it run, and warnings are errors
# make pictures  takes the pictures of the window for the documentation again
# make gold FRAMES=FOLDER   takes the measured gold crystal through the window, and the pictures of that for the documentation again
# make clean  removes what the others made, .venv included

BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)
SCAN := sample_data/faceted_64.h5
# a screen of our own, so that the tests' windows neither need yours nor disturb it (looked for after the setup: hence "=")
XVFB = $(if $(shell command -v xvfb-run 2>/dev/null),xvfb-run -a -s "-screen 0 1600x1000x24")
SCREEN := $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Windows_NT,$(OS))$(filter Darwin,$(shell uname))

.PHONY: demo test explore tours check docs pictures gold clean

.venv/ready: pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh

ifneq ($(SCREEN),)
demo: .venv/ready
	@$(BIN)/napari $(SCAN) --plugin napari-autophase --with napari-autophase Workspace
else
demo: .venv/ready
	@mkdir -p demo
	@$(BIN)/napari-autophase reconstruct $(SCAN) -o demo/result.cxi --report demo/report.json --picture demo/picture.png
endif

# what the tests start again and again, Python compiles once, whatever the environment says
test: .venv/ready
	@PYTHONDONTWRITEBYTECODE= $(XVFB) $(BIN)/python -m pytest -n 2

MINUTES = 10
explore: .venv/ready
	@$(XVFB) $(BIN)/python -m pytest --explore $(MINUTES)

tours: .venv/ready
	@tools/tours.sh

check: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.venv/docs-ready: .venv/ready
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

docs: .venv/docs-ready
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html."

pictures: .venv/ready
	@$(XVFB) $(BIN)/python tools/window_pictures.py docs/pictures

gold: .venv/ready
	@$(XVFB) $(BIN)/python tools/gold_tour.py "$(FRAMES)" build/gold dark 1280x800
	@for name in corrected painted box crystal strain figure logbook; do cp build/gold/*_$$name.png docs/pictures/gold_$$name.png; done

clean:
	rm -rf .venv build dist demo docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
