"""The one door to what computes: the same numbers by every backend, and torch wherever anything is wrong with the other."""

from __future__ import annotations

import json
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, finish, photons

from napari_autophase.phasing import Diffraction, checks, device_lines, random_starts, refine
from napari_autophase.phasing import backend as backends
from napari_autophase.recipe import Refinement
from napari_autophase.scan import InputError


@pytest.fixture
def afresh(room):
    """The compiled backend is loaded and checked inside the test, and again after it."""
    backends.compiled.cache_clear()
    yield
    backends.compiled.cache_clear()


def project(objects, support, modulus, times):
    """The projections in double precision, by NumPy."""
    for k in range(times):
        field = np.fft.fftn(objects.astype(complex), modulus.shape, (0, 1, 2))
        objects = np.fft.ifftn(field / np.abs(field) * modulus)[tuple(slice(n) for n in objects.shape)]
        objects = objects if k == times - 1 else objects * support
    return objects


@pytest.mark.parametrize("times", [1, 3])
def test_objects_in_a_corner_are_projected_onto_the_modulus_of_a_larger_volume(backend, times):
    rng = np.random.default_rng(times)
    objects = (rng.normal(size=(2, 16, 15, 16)) + 1j * rng.normal(size=(2, 16, 15, 16))).astype(np.complex64)
    support = (rng.random(objects.shape) < 0.4).astype(np.float32)
    modulus = rng.uniform(0, 100, (2, 32, 30, 32)).astype(np.float32)
    expected = np.stack([project(*each, times) for each in zip(objects, support, modulus, strict=True)])
    given = torch.from_numpy(objects.copy())
    found = backend.project(given, torch.from_numpy(support), torch.from_numpy(modulus), times)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(given.numpy(), objects)


def test_a_crystal_is_its_own_projection(backend):
    truth = torch.zeros(1, 16, 16, 16, dtype=torch.complex64)
    truth[:, 3:12, 2:14, 4:11] = torch.polar(torch.tensor(1.0), torch.rand(1, 9, 12, 7) * 2)
    modulus = torch.fft.fftn(truth, (32, 32, 32), dim=(1, 2, 3)).abs()
    found = backend.project(truth, torch.ones(truth.shape), modulus, 1)
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-3)


def test_every_backend_computes_what_the_reference_does(backend):
    assert checks.check(backend) is None


def test_compiled_functions_are_taken_in_inference_mode_too(afresh):
    with torch.inference_mode():  # where a network's stages may ask first
        assert backends.compiled().name == "compiled"


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        ("iterate", "iterate", "iterations of ER"),
        ("intensity", "intensity", "intensities of objects"),
        ("sums", "add_up", "sums over the pattern"),
        ("likelihood", "slope", "derivatives of the likelihood"),
        ("likelihood", "derive", "derivatives of the likelihood"),
    ],
)
def test_a_function_that_computes_wrong_numbers_is_not_used(monkeypatch, afresh, room, module, name, said):
    module = getattr(room, module)
    right = getattr(module, name)

    def wrong(*arguments):
        right(*arguments)
        sums = [each for each in arguments if getattr(each, "dtype", None) == np.float64]
        for written in sums or arguments[1:2]:
            written *= 1.01

    monkeypatch.setattr(module, name, wrong)
    chosen = backends.choose("cpu", "compiled")
    assert chosen.backend.name == "torch"
    assert chosen.notes == (
        f"Compiled functions computed wrong {said}: phased by torch, which takes longer.",
    )
    assert said in device_lines()[0]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 0.0])
def test_no_number_is_no_right_number(monkeypatch, afresh, room, number):
    def nothing(*arguments):
        for written in arguments:
            if isinstance(written, np.ndarray) and written.dtype == np.float64:
                written[...] = number

    monkeypatch.setattr(room.sums, "add_up", nothing)
    assert backends.choose("cpu", "compiled").notes


@pytest.mark.parametrize(
    "error", [MemoryError(), TypeError("an argument more"), SystemError("LLVM"), KeyError(3)]
)
def test_whatever_a_function_raises_torch_takes_over(monkeypatch, afresh, room, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(room.iterate, "iterate", fail)
    truth = crystal((16, 16, 16))
    data = Diffraction(photons(truth), backend="compiled")
    _, found = finish(refine(data, random_starts(data, 1, 0.1, 0), Refinement(algorithm="3*ER")))
    assert data.backend.name == "torch"
    assert type(error).__name__ in found.notes[0]


def test_a_program_without_compiled_functions_phases(room):
    program = """
import json, sys
class Broken:
    def find_spec(self, name, *_):
        if name.startswith('llvmlite.binding'):
            raise OSError('libllvmlite.so: undefined symbol')
sys.meta_path.insert(0, Broken())
import numpy as np
from napari_autophase import Recipe, Scan, run
from napari_autophase.phasing import device_lines
box = np.zeros((32, 32, 32)); box[11:21, 12:22, 11:20] = 1
counts = np.fft.fftshift(np.abs(np.fft.fftn(box)) ** 2).round().astype(np.float32)
settings = {'guess.polish': '', 'guess.starts': 0, 'refine.algorithm': '2*EHIO+3*ER', 'backend': 'compiled'}
found = run(Scan(counts), Recipe().with_settings(settings))
print(json.dumps([found.report(), device_lines()]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    report, devices = json.loads(done.stdout.splitlines()[-1])
    assert report["backend"] == "torch"
    assert report["chi2"] < 0.1
    (note,) = (note for note in report["notes"] if "Compiled functions" in note)
    assert "undefined symbol" in note
    assert "Compiled functions cannot be used" in devices[0]


@pytest.mark.parametrize("gone", ["numba", "napari_autophase.phasing.compiled.stages"])
def test_without_what_compiled_functions_are_made_of_torch_phases(afresh, room, gone):
    """As in a program that loads them for the first time."""
    kept = ("cache",)  # which needs no numba, and which the door holds
    loaded = [
        name for name in sys.modules if name.startswith(f"{room.__name__}.") and not name.endswith(kept)
    ]
    with mock.patch.dict(sys.modules), mock.patch.dict(vars(room)):
        for name in loaded:
            del sys.modules[name]
            vars(room).pop(name.rpartition(".")[2], None)
        sys.modules[gone] = None
        truth = crystal((16, 16, 16))
        data = Diffraction(photons(truth), backend="compiled")
        _, found = finish(refine(data, random_starts(data, 1, 0.1, 0), Refinement(algorithm="3*ER")))
    assert data.backend.name == "torch"
    (note,) = found.notes
    assert "ModuleNotFoundError" in note
    assert gone in note


def test_a_backend_is_chosen_by_hand(monkeypatch, room):
    counts = photons(crystal((16, 16, 16)))
    for said in ("torch", "compiled"):
        monkeypatch.setenv(backends.VARIABLE, said)
        assert Diffraction(counts).backend.name == said
        for wanted in ("torch", "compiled"):  # the recipe knows better
            assert Diffraction(counts, backend=wanted).backend.name == wanted
    monkeypatch.setenv(backends.VARIABLE, "abacus")
    with pytest.raises(
        InputError, match="no backend 'abacus'; set NAPARI_AUTOPHASE_BACKEND to auto, torch, compiled"
    ):
        Diffraction(counts)


def test_a_gpu_is_torch_whatever_is_wanted():
    for wanted in backends.CHOICES:
        assert backends.choose("cuda", wanted).backend.name == "torch"


def test_the_middle_of_a_pattern_is_phased_by_the_same_backend(backend):
    data = Diffraction(photons(crystal((16, 16, 16))), backend=backend.name)
    assert data.middle((8, 8, 8)).backend is data.backend
