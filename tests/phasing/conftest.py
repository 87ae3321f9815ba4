"""The same tests for every backend: one switch; where numba is missing, those of compiled functions are left out."""

from __future__ import annotations

from types import ModuleType

import pytest

from napari_autophase.phasing import backend as backends

# through the door, where their machine code is kept: a test file that imports a compiled function would compile all of them anew
backends.choose(wanted="compiled")


@pytest.fixture(params=["compiled", "torch"])
def backend(request, monkeypatch):
    """Whatever phases inside the test does so by this backend."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setenv(backends.VARIABLE, request.param)
    chosen = backends.choose()
    assert (chosen.backend.name, chosen.notes) == (request.param, ())
    return chosen.backend


@pytest.fixture
def room() -> ModuleType:
    """The room of compiled functions."""
    pytest.importorskip("numba")
    from napari_autophase.phasing import compiled

    return compiled
