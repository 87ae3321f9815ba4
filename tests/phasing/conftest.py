"""The same tests for every backend: one switch."""

from __future__ import annotations

import pytest

from napari_autophase.phasing import backend as backends


@pytest.fixture(params=["compiled", "torch"])
def backend(request, monkeypatch):
    """Whatever phases inside the test does so by this backend."""
    monkeypatch.setenv(backends.VARIABLE, request.param)
    chosen = backends.choose()
    assert (chosen.backend.name, chosen.notes) == (request.param, ())
    return chosen.backend
