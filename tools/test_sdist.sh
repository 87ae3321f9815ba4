#!/usr/bin/env bash
# Build the source distribution, unpack it elsewhere, and run the tests from it: what is published is whole.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
make --silent .venv/ready
bin=.venv/bin
[ "${OS:-}" = Windows_NT ] && bin=.venv/Scripts
rm -rf build/sdist
mkdir -p build/sdist
"$bin/python" -m build --sdist --no-isolation --outdir build/sdist . >/dev/null
tar -xzf build/sdist/napari_autophase-*.tar.gz -C build/sdist
cd build/sdist/napari_autophase-*/
make check
make test
