#!/usr/bin/env bash
# Take the tour of the window (tools/tour.py) with every napari and Qt that we support, each in an environment of its own.
# Run before each release: "make tours", or this script with the tours to take, as in
#   tools/tours.sh 0.7-pyqt6 0.9-pyside6
# Environments, what was said and pictures stay in build/tours (some GB); what is installed already is not fetched again.
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
tours=("$@")
[ $# -gt 0 ] || tours=(0.7-pyqt6 0.7-pyside6 0.8-pyqt6 0.8-pyside6 0.9-pyqt6 0.9-pyside6)

# a screen of our own, as for the tests
screen=()
command -v xvfb-run >/dev/null && screen=(xvfb-run -a -s "-screen 0 1600x1000x24")

build() { # FOLDER NAPARI QT
  # the pins stand for the newest versions of the day; napari's own, and that of what it asks for by version, do not
  grep -vE '^(napari|vispy)==' constraints.txt >"$1/pins.txt" &&
    { [ -d "$1/venv" ] || "$PYTHON" -m venv "$1/venv"; } &&
    # torch by itself first: pip then takes a build that is already on this disk before it asks for anything else
    "$1/$bin/python" -m pip install --quiet -c constraints.txt torch &&
    "$1/$bin/python" -m pip install --quiet -c "$1/pins.txt" "napari[$3]==$2.*" .
}

bin=venv/bin
[ "${OS:-}" = Windows_NT ] && bin=venv/Scripts
failed=()
for tour in "${tours[@]}"; do
  folder=build/tours/$tour
  mkdir -p "$folder"
  echo "$tour: setting up $folder"
  # the settings of the person who runs this are left alone
  if build "$folder" "${tour%-*}" "${tour#*-}" &&
    NAPARI_CONFIG="$PWD/$folder/napari.yaml" QT_API=${tour#*-} PYTHONPATH='' \
      ${screen[@]+"${screen[@]}"} "$folder/$bin/python" tools/tour.py "$folder/pictures"; then
    echo "$tour: passed"
  else
    echo "$tour: FAILED (exit code $?)"
    failed+=("$tour")
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "Tours that failed: ${failed[*]}" >&2; exit 1; }
echo "All ${#tours[@]} tours passed."
