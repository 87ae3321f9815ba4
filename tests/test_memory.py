"""What the C library does with memory that is freed."""

import platform
import subprocess
import sys

import pytest

ROUNDS = """
import resource
import numpy as np
from napari_autophase.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(100_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_freed_memory()
faults()  # what is kept from now on
print(given_back, faults())
"""
"""Takes and frees 100 MB four times, and prints how many pages the system had to give, before and after."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_kept_for_the_next_arrays() -> None:
    done = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True)
    given_back, kept = map(int, done.stdout.split())
    assert given_back > 150  # four times 100 MB in pages of at most 2 MB
    assert kept < given_back / 20
