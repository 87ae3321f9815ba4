#!/usr/bin/env bash
# The system's packages that napari's window and the tests' screen need, on Debian and Ubuntu; elsewhere nothing is to be done.
# Without root it says what to type; in continuous integration sudo does it.
set -euo pipefail
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
    if [ "$(id -u)" != 0 ] && [ -n "${CI:-}" ] && sudo -n true 2>/dev/null; then
      sudo apt-get update -q
      sudo DEBIAN_FRONTEND=noninteractive $install
      exit
    fi
    if [ "$(id -u)" != 0 ]; then
      echo "Some system packages are missing. Please run this line, then make again:" >&2
      echo "  sudo $install" >&2
      exit 1
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive $install
  fi
fi
