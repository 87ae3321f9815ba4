"""The command `python benchmarks/peers`."""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # so that `peers` is a package and `common` is found
runpy.run_module("peers.run", run_name="__main__")
