#!/usr/bin/env bash
# Run the tests in an environment of another kind, made in build/test/KIND. The workflows call this, and so can you:
#   tools/test_with.sh pinned          the versions of constraints.txt, as `make test` does
#   tools/test_with.sh oldest          the oldest versions that pyproject.toml allows
#   tools/test_with.sh newest          the newest versions of the day, without the pins of constraints.txt
#   tools/test_with.sh prerelease      the same with versions that are not yet released
#   tools/test_with.sh no-numba        without numba: everything by torch
#   tools/test_with.sh napari-0.8      with another napari (0.7, 0.8, 0.9)
#   tools/test_with.sh pyside6         with PySide6
# What follows goes to pytest. TORCH="torch==2.13.0" takes that torch instead of the one of the kind.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
[ $# -gt 0 ] || { sed -n '3,10p' "$0" >&2; exit 2; }
kind=$1
shift

folder=build/test/$kind
bin=$folder/venv/bin
[ "${OS:-}" = Windows_NT ] && bin=$folder/venv/Scripts
mkdir -p "$folder"
[ -d "$folder/venv" ] || "$PYTHON" -m venv "$folder/venv"

pins=$folder/pins.txt
torch=torch
qt=pyqt6
napari='>=0.7'
options=()
cp constraints.txt "$pins"
case $kind in
  oldest)
    # everything else as pip likes it: our bounds are what is tested
    "$bin/python" -m pip install --quiet packaging
    "$bin/python" tools/oldest.py | tr -d '\r' >"$pins"
    torch=$(grep '^torch==' "$pins")
    napari='==0.7.*'
    ;;
  newest) : >"$pins" ;;
  prerelease)
    : >"$pins"
    options=(--pre --upgrade)
    ;;
  no-numba | pinned) ;;
  pyside6) qt=pyside6 ;;
  napari-*)
    grep -vE '^(napari|vispy)==' constraints.txt >"$pins"
    napari="==${kind#napari-}.*"
    ;;
  *)
    echo "There is no kind '$kind'." >&2
    exit 2
    ;;
esac
if [ -n "${TORCH:-}" ]; then
  torch=$TORCH
  grep -v '^torch==' "$pins" >"$pins.other" || true
  mv "$pins.other" "$pins"
fi

install() { "$bin/python" -m pip install --quiet ${options[@]+"${options[@]}"} -c "$pins" "$@"; }
# torch by itself first: pip then takes a build that is already on this disk before it asks for anything else
install "$torch"
install "$torch" "napari[$qt]$napari" -e '.[beamline,training]' pytest pytest-qt pytest-xdist hypothesis xrayutilities npe2 build hatchling ruff
[ "$kind" != no-numba ] || "$bin/python" -m pip uninstall --quiet --yes numba llvmlite
"$bin/python" -m pip freeze --exclude-editable >"$folder/installed.txt"

# what other versions warn of is read, and fails nothing
warnings=(-W default)
[ "$kind" != pinned ] || warnings=()
screen=()
command -v xvfb-run >/dev/null && screen=(xvfb-run -a -s "-screen 0 1600x1000x24")
QT_API=$qt NAPARI_CONFIG="$PWD/$folder/napari.yaml" ${screen[@]+"${screen[@]}"} "$bin/python" -m pytest ${warnings[@]+"${warnings[@]}"} "$@"
