"""The same tests for every backend: one switch."""

from __future__ import annotations

import pytest

from napari_autophase.phasing import backend as backends

# through the door, where their machine code is kept: a test file that imports a compiled function would compile all of them anew
backends.choose(wanted="compiled")


@pytest.fixture(params=["compiled", "torch"])
def backend(request, monkeypatch):
    """Whatever phases inside the test does so by this backend."""
    monkeypatch.setenv(backends.VARIABLE, request.param)
    chosen = backends.choose()
    assert (chosen.backend.name, chosen.notes) == (request.param, ())
    return chosen.backend
