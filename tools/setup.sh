#!/usr/bin/env bash
# Prepare this checkout: the system's libraries that Qt needs, and a .venv pinned by constraints.txt with the package in it.
# Run by the Makefile; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

tools/system_packages.sh

bin=.venv/bin
[ "${OS:-}" = Windows_NT ] && bin=.venv/Scripts
echo "Setting up .venv; the first time this takes a few minutes."
[ -d .venv ] || "$PYTHON" -m venv .venv
# torch by itself first: pip then takes a build that is already on this disk before it asks for anything else
"$bin/python" -m pip install --quiet -c constraints.txt torch
"$bin/python" -m pip install --quiet -c constraints.txt -e '.[dev]'
touch .venv/ready
