#!/usr/bin/env bash
# Prepare this checkout: the system's libraries that Qt needs, and a .venv pinned by constraints.txt with the package in it.
# Run by the Makefile; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

# What napari's window needs of a Debian or Ubuntu, and, where there is no screen, a virtual one (measured on Debian 12).
packages=(libegl1 libgl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0
  libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0)
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || packages+=(xvfb xauth)

installed() { # newer Ubuntus call some libraries NAMEt64
  grep -q '^install ok installed' <<<"$(dpkg-query -W -f '${Status}\n' "$1" "$1t64" 2>/dev/null || true)"
}

if command -v apt-get >/dev/null; then
  "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
  missing=()
  for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
      echo "Some system packages are missing. Please run this line, then make again:" >&2
      echo "  sudo $install" >&2
      exit 1
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive $install
  fi
fi

bin=.venv/bin
[ "${OS:-}" = Windows_NT ] && bin=.venv/Scripts
echo "Setting up .venv; the first time this takes a few minutes."
[ -d .venv ] || "$PYTHON" -m venv .venv
# torch by itself first: pip then takes a build that is already on this disk before it asks for anything else
"$bin/python" -m pip install --quiet -c constraints.txt torch
"$bin/python" -m pip install --quiet -c constraints.txt -e '.[dev]'
touch .venv/ready
